/** What a provider's failure means: for this call, for its next provider, and for the task. */
import { APICallError, LoadAPIKeyError, UnsupportedFunctionalityError } from '@ai-sdk/provider';
import {
  isTroupeError,
  ModelUnavailableError,
  NonRetryableError,
  RetryAfterError,
  TimeoutError,
} from '../kernel/errors.ts';
import { optional } from '../kernel/optional.ts';
import { scrub } from '../kernel/redact.ts';

/** The label that it is counted under. */
export type Reason =
  | 'network'
  | 'timeout'
  | 'busy'
  | 'server'
  | 'refused'
  | 'invalid_answer'
  | 'cut'
  | 'too_large'
  | 'unsupported'
  | 'no_permit'
  | 'other';

export interface ModelFailure {
  readonly reason: Reason;
  /** Whether another provider may do better. Where none does, the last failure decides. */
  readonly elsewhere: boolean;
  /** Whether it says that the provider is ill. */
  readonly ill: boolean;
  /** What the provider said. */
  readonly retryAfterMs?: number;
  readonly cause: unknown;
}

/** The stream ended before the answer did. */
export class CutStreamError extends Error {
  override readonly name = 'CutStreamError';
}

const elsewhere = (reason: Reason, cause: unknown, ill = true): ModelFailure => ({
  reason,
  elsewhere: true,
  ill,
  cause,
});
const final = (reason: Reason, cause: unknown): ModelFailure => ({ reason, elsewhere: false, ill: false, cause });

export const failureOf = (error: unknown, now: number): ModelFailure => {
  if (APICallError.isInstance(error)) return ofProvider(error, now);
  if (error instanceof TimeoutError) return elsewhere('timeout', error);
  if (error instanceof CutStreamError) return elsewhere('cut', error);
  if (isTroupeError(error)) return ofOurs(error);
  if (UnsupportedFunctionalityError.isInstance(error) || LoadAPIKeyError.isInstance(error))
    return { reason: 'unsupported', elsewhere: true, ill: false, cause: error };
  if (isNamed(error, 'AI_InvalidPromptError', 'AI_InvalidArgumentError')) return final('refused', error);
  if (
    isNamed(
      error,
      'AI_TypeValidationError',
      'AI_JSONParseError',
      'AI_InvalidResponseDataError',
      'AI_EmptyResponseBodyError',
      'AI_NoContentGeneratedError',
    )
  )
    return elsewhere('invalid_answer', error);
  if (hasBrokenOff(error)) return elsewhere('cut', error);
  // What undici throws when there is no connection.
  if (error instanceof TypeError && error.message === 'fetch failed') return elsewhere('network', error);
  return elsewhere('other', error);
};

const isNamed = (error: unknown, ...names: readonly string[]): boolean =>
  error instanceof Error && names.includes(error.name);

/** What undici throws when a body breaks off. */
const hasBrokenOff = (error: unknown): boolean => error instanceof TypeError && error.message === 'terminated';

const ofProvider = (error: APICallError, now: number): ModelFailure => {
  const { statusCode, responseHeaders = {} } = error;
  if (statusCode === undefined) return elsewhere('network', error);
  if (statusCode < 300) return elsewhere(hasBrokenOff(error.cause) ? 'cut' : 'invalid_answer', error);
  if (statusCode === 408) return elsewhere('timeout', error);
  const busy = statusCode === 429 || statusCode === 409;
  if (statusCode < 500 && !busy) return final('refused', error); // The same request would meet it everywhere.
  const failure = busy ? elsewhere('busy', error, false) : elsewhere('server', error);
  return { ...failure, ...optional({ retryAfterMs: retryAfter(responseHeaders, now) }) };
};

/** A budget that never allows so much, or that is too busy, is one provider's; the task's own end is not. */
const ofOurs = (error: Error): ModelFailure => {
  if (isTroupeError(error, 'payload_too_large')) return final('too_large', error);
  const ours = isTroupeError(error, 'non_retryable') || isTroupeError(error, 'limiter_timeout');
  return { reason: 'no_permit', elsewhere: ours || isTroupeError(error, 'unavailable'), ill: false, cause: error };
};

const longestRetryAfterMs = 3_600_000;

/** `retry-after-ms`, or `retry-after` in seconds or as a date. */
const retryAfter = (headers: Readonly<Record<string, string>>, now: number): number | undefined => {
  const [exact, told] = [headers['retry-after-ms'], headers['retry-after']];
  const ms = exact !== undefined ? Number(exact) : told === undefined ? Number.NaN : Number(told) * 1_000;
  const by = Number.isNaN(ms) && told !== undefined ? Date.parse(told) - now : ms;
  return Number.isFinite(by) && by >= 0 ? Math.min(by, longestRetryAfterMs) : undefined;
};

/**
 * What the handler is thrown. Never a retryable `APICallError`: the AI SDK would try again by itself, past limiter and
 * router.
 */
export const thrownFor = (model: string, failures: readonly ModelFailure[]): unknown => {
  const passing = failures.filter(isPassing);
  const last = passing.at(-1) ?? failures.at(-1);
  if (!last) return new ModelUnavailableError(`model "${model}": nobody answered`);
  const { cause, reason } = last;
  if (isTroupeError(cause) && !(cause instanceof TimeoutError)) return cause;
  const message = `model "${model}": ${told(cause)}`;
  if (passing.length === 0) return new NonRetryableError(message, { cause });
  const waits = passing.flatMap(({ retryAfterMs }) => retryAfterMs ?? []);
  if (waits.length > 0) return new RetryAfterError(Math.min(...waits), { message, cause, orLater: true });
  return new ModelUnavailableError(`${message} (${reason})`, { cause });
};

/** Whether it may be another time: a task is given up only where no provider would ever answer. */
const isPassing = ({ elsewhere: retryable, reason, cause }: ModelFailure): boolean =>
  retryable && reason !== 'unsupported' && !isTroupeError(cause, 'non_retryable');

/** A provider's error in words that may be kept and shown. */
export const told = (cause: unknown): string => {
  const status =
    APICallError.isInstance(cause) && cause.statusCode !== undefined ? ` (status ${cause.statusCode})` : '';
  return scrub(`${cause instanceof Error ? cause.message || cause.name : String(cause)}`).slice(0, 500) + status;
};
