/** The service `ingress`, asked over the bus: for what a client cannot know or decide by itself. */
import { z } from 'zod';
import type { Bus, Headers, Message } from '../bus/bus.ts';
import { encodeJson } from '../bus/json.ts';
import { encodeId, lanes, subjects } from '../bus/subjects.ts';
import { isTroupeError } from '../kernel/error.ts';
import { PayloadTooLargeError, UnavailableError } from '../kernel/errors.ts';
import { ifFound } from '../kernel/found.ts';
import type { Envelope } from '../task/envelope.ts';
import { header } from '../task/headers.ts';
import { errorOfProblem, problemBody } from '../task/problem.ts';
import { statuses } from '../task/record.ts';
import type { TaskStatus } from '../task/status.ts';
import type { Counts } from './types.ts';

/** All of it throws what the doors throw, and `UnavailableError` where none answers. */
export interface Ingress {
  submit(
    type: string,
    payload: Uint8Array,
    envelope: Envelope,
  ): Promise<{ readonly id: string; readonly duplicate: boolean }>;
  /** `undefined` where nobody knows the task. */
  get(recordKey: string): Promise<TaskStatus | undefined>;
  /** Answers whether this request ended it. */
  cancel(recordKey: string, reason?: string): Promise<boolean>;
  /** The new task's id. */
  retry(recordKey: string, forget: readonly string[]): Promise<string>;
  counts(group: string): Promise<Counts>;
}

/** The door itself goes on asking its server for 30 s. */
const submitMs = 35_000;
const askMs = 10_000;
const nothing = new Uint8Array();

/** `alive` throws where nothing more is to be asked. */
export const ingress = (bus: Bus, alive: () => void): Ingress => {
  const ask = async <Answer>(
    subject: string,
    shape: z.ZodType<Answer>,
    data: Uint8Array = nothing,
    options: { readonly headers?: Headers; readonly timeoutMs?: number } = {},
  ): Promise<Answer> => {
    alive();
    const message = await bus.request(subject, data, { timeoutMs: askMs, ...options }).catch((error: unknown) => {
      throw isTroupeError(error, 'unavailable') ? nobody(bus, subject, error) : error;
    });
    return answerOf(message, subject, shape);
  };

  return {
    submit: (type, payload, envelope) =>
      ask(subjects.endpoint('submit', type), submitted, payload, { headers: headersOf(envelope), timeoutMs: submitMs }),
    get: async (recordKey) => {
      const answer = await ifFound(ask(subjects.endpoint('get', recordKey), found));
      if (!answer) return undefined;
      const { outputBytes, ...status } = answer;
      if (outputBytes !== undefined) throw tooLarge(recordKey, outputBytes);
      return status;
    },
    cancel: async (recordKey, reason) => {
      const data = reason === undefined ? nothing : encodeJson({ reason });
      return (await ask(subjects.endpoint('cancel', recordKey), cancelled, data)).cancelled;
    },
    retry: async (recordKey, forget) =>
      (await ask(subjects.endpoint('retry', recordKey), retried, encodeJson({ forget }))).id,
    counts: (group) => ask(subjects.endpoint('counts', encodeId(group)), counted),
  };
};

const nobody = (bus: Pick<Bus, 'connection'>, subject: string, cause: unknown): UnavailableError =>
  bus.connection === 'connected'
    ? new UnavailableError(`no ingress answers ${subject}: is a node running?`, { cause })
    : cutOff(subject, cause);

/** It is the client that cannot ask, whoever may run. */
export const cutOff = (subject: string, cause?: unknown): UnavailableError =>
  new UnavailableError(`${subject} cannot be asked: this client has no connection to NATS; it dials until it has`, {
    cause,
  });

const tooLarge = (recordKey: string, bytes: number): PayloadTooLargeError =>
  new PayloadTooLargeError(
    `the output of ${recordKey} has ${bytes} bytes, too many for one message; the history has it`,
  );

const decoder = new TextDecoder();

const answerOf = <Answer>({ data, headers }: Message, subject: string, shape: z.ZodType<Answer>): Answer => {
  const body = parsed(data);
  if (headers['Nats-Service-Error-Code'] === undefined) {
    const answer = shape.safeParse(body);
    if (answer.success) return answer.data;
  } else {
    const { data: refused } = problemBody.safeParse(body);
    if (refused) throw errorOfProblem(refused.error);
  }
  throw new UnavailableError(`${subject}: an answer that nobody can read; do client and node have versions that fit?`);
};

const parsed = (data: Uint8Array): unknown => {
  try {
    return JSON.parse(decoder.decode(data));
  } catch {
    return undefined;
  }
};

const count = z.number().int().nonnegative();

const submitted = z.object({ id: z.string(), duplicate: z.boolean() });
const cancelled = z.object({ cancelled: z.boolean() });
const retried = z.object({ id: z.string() });
const counted = z.object({
  queued: count,
  running: count,
  waiting: count,
  completed: count,
  failed: count,
  cancelled: count,
  dead: count,
});
const found = z.object({
  id: z.string(),
  type: z.string(),
  status: z.enum(['queued', ...statuses]),
  attempt: z.number(),
  pool: z.string(),
  lane: z.enum(lanes),
  waitingFor: z
    .object({
      reason: z.enum(['lane', 'no_worker', 'due', 'retry', 'budget', 'inbox']),
      detail: z.string(),
      until: z.string().exactOptional(),
    })
    .exactOptional(),
  output: z.json().exactOptional(),
  outputBytes: z.number().optional(),
  error: z.object({ code: z.string(), message: z.string() }).exactOptional(),
  usage: z.object({ inputTokens: z.number(), outputTokens: z.number(), usd: z.number() }),
  inputHash: z.string(),
  submittedAt: z.iso.datetime().exactOptional(),
});

const headersOf = (envelope: Envelope): Headers => {
  const headers: Record<string, string> = { ...envelope.headers };
  const set = (name: string, value: string | undefined): void => {
    if (value !== undefined) headers[name] = value;
  };
  const { id, lane, key, tenant, group, delayMs, dueAt, deadlineMs } = envelope;
  set(header.id, id);
  set(header.lane, lane);
  set(header.key, key);
  set(header.tenant, tenant);
  set(header.group, group);
  set(header.delay, delayMs === undefined ? undefined : `${delayMs}ms`);
  set(header.at, dueAt === undefined ? undefined : new Date(dueAt).toISOString());
  set(header.deadline, deadlineMs === undefined ? undefined : `${deadlineMs}ms`);
  return headers;
};
