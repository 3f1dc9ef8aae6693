/** An error as the doors answer it, and what a client makes of that answer: one form, both ways. */
import { z } from 'zod';
import type { BadJson } from './json.ts';
import { isTroupeError, revive, type TroupeError } from '../kernel/error.ts';
import {
  IdConflictError,
  InvalidInputError,
  type Issue,
  NotFoundError,
  OverloadedError,
  PayloadTooLargeError,
  TimeoutError,
  UnavailableError,
  UnknownTaskError,
} from '../kernel/errors.ts';
import { scrub } from '../kernel/redact.ts';

/** The member `error` of an answer. */
export const problem = z.object({
  /** Stable: what to branch on. */
  code: z.string(),
  message: z.string(),
  /** Says more than the code: what kind of bad JSON, which gate. */
  reason: z.string().optional(),
  issues: z
    .array(z.object({ message: z.string(), path: z.array(z.union([z.string(), z.number()])).optional() }))
    .optional(),
  retryAfterMs: z.number().optional(),
});
export type Problem = Readonly<z.infer<typeof problem>>;
export const problemBody = z.object({ error: problem });

/** Input that was refused for what it is rather than for what it says. */
export class BadInputError extends InvalidInputError {
  readonly reason: BadJson | 'invalid_header' | 'invalid_option';

  constructor(message: string, reason: BadInputError['reason'], options: { readonly cause?: unknown } = {}) {
    super(message, options);
    this.reason = reason;
  }
}

/** Codes whose fault is the request's, each with its status in HTTP. */
const refusals: Readonly<Record<string, number>> = {
  invalid_input: 400,
  invalid_name: 400,
  invalid_duration: 400,
  forbidden: 403,
  payload_too_large: 413,
  unknown_task: 404,
  id_conflict: 409,
};
const others: Readonly<Record<string, number>> = { not_found: 404, overloaded: 429, unavailable: 503, timeout: 504 };

export const isRefusal = ({ code }: Pick<Problem, 'code'>): boolean => code in refusals;
/** 500 for what nobody has foreseen. */
export const statusOfProblem = ({ code }: Pick<Problem, 'code'>): number => refusals[code] ?? others[code] ?? 500;

const messageMax = 1_000;
const issuesMost = 20;
/** What a client should leave between two tries while nobody can tell how long it takes. */
const unavailableRetryMs = 1_000;

/** What may be told of any error. Of one that is not ours, nothing. */
export const problemOf = (error: unknown): Problem => {
  if (!isTroupeError(error) || statusOfProblem(error) === 500)
    return { code: 'internal', message: 'something went wrong in here; the log of the node says what' };
  const { code } = error;
  const message = scrub(error.message).slice(0, messageMax);
  if (error instanceof InvalidInputError) return { code, message, ...reasonOf(error), ...issuesOf(error.issues) };
  if (error instanceof OverloadedError) return { code, message, retryAfterMs: error.retryAfterMs };
  return statusOfProblem(error) < 500 ? { code, message } : { code, message, retryAfterMs: unavailableRetryMs };
};

const reasonOf = (error: InvalidInputError) => (error instanceof BadInputError ? { reason: error.reason } : {});

const issuesOf = (issues: readonly Issue[]) =>
  issues.length === 0
    ? {}
    : {
        issues: issues
          .slice(0, issuesMost)
          .map(({ message, path = [] }) => ({ message: message.slice(0, 200), path: path.map(step) })),
      };

const step = (part: NonNullable<Issue['path']>[number]): string | number => {
  const key = typeof part === 'object' ? part.key : part;
  return typeof key === 'number' ? key : String(key).slice(0, 100);
};

/** The error that a door answered with. */
export const errorOfProblem = ({ code, message, issues = [], retryAfterMs = 0 }: Problem): TroupeError => {
  switch (code) {
    case 'invalid_input':
      return new InvalidInputError(message, { issues: issues.map(withPath) });
    case 'overloaded':
      return new OverloadedError(message, { retryAfterMs });
    case 'id_conflict':
      return new IdConflictError(message);
    case 'unknown_task':
      return new UnknownTaskError(message);
    case 'not_found':
      return new NotFoundError(message);
    case 'payload_too_large':
      return new PayloadTooLargeError(message);
    case 'timeout':
      return new TimeoutError(message);
    case 'unavailable':
      return new UnavailableError(message);
    default:
      return revive({ code, message });
  }
};

const withPath = ({ message, path }: NonNullable<Problem['issues']>[number]): Issue =>
  path ? { message, path } : { message };
