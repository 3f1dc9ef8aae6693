/**
 * A task's one KV entry: what has become of it, and who may write it. Everything else (the result that was published,
 * the dead letter, the retry's timer) follows from the record, so that whoever reads it can repeat it.
 */
import { z } from 'zod';
import type { Delivery } from '../bus/queue.ts';
import type { Route } from '../bus/subjects.ts';

/** A value after a trip through JSON. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Comes out of `JSON.parse`: there is nothing to check. */
const json = z.custom<Json>();
const time = z.iso.datetime();

const recordedStep = z.object({
  name: z.string(),
  key: z.string().optional(),
  result: json.optional(),
  /** Where the result is, if it was too large for the record. */
  ref: z.string().optional(),
  at: time,
  ms: z.number(),
});

const failure = z.object({ code: z.string(), message: z.string(), stack: z.string().optional() });

const waiting = z.object({
  /** `retry`: a failed attempt is tried again; `handback`: a worker gave the task back before its end. */
  for: z.enum(['retry', 'handback']),
  /** Counts this task's waits: a timer or a wake-up for another wait than this one is stale. */
  n: z.number().int(),
  until: time,
  /** Whether a timer in SCHED brings it back; otherwise the delivery itself does, nak'ed with the delay. */
  scheduled: z.boolean(),
});

const usage = z.object({ inputTokens: z.number(), outputTokens: z.number(), usd: z.number() });

export const taskRecord = z.object({
  v: z.literal(1),
  /** Nonce of the write that made this revision: tells its writer, after a lost answer, that it was its own. */
  w: z.string(),
  id: z.string(),
  type: z.string(),
  pool: z.string(),
  lane: z.enum(['high', 'normal', 'low']),
  key: z.string().optional(),
  tenant: z.string().optional(),
  group: z.string().optional(),
  title: z.string().optional(),
  status: z.enum(['running', 'waiting', 'completed', 'failed', 'cancelled', 'dead']),
  /** Which attempt this is, or was last; counts from 1. */
  attempt: z.number().int(),
  /** Attempts that ended in a recorded failure. */
  failures: z.number().int(),
  /** Attempts since the last recorded outcome that ended without one: their worker is gone. */
  lost: z.number().int().optional(),
  worker: z.string().optional(),
  /** The stored message in whose name the task runs. Any other message for the same task is a twin. */
  held: z.object({ stream: z.string(), seq: z.number().int() }).optional(),
  inputHash: z.string(),
  input: json.optional(),
  inputRef: z.string().optional(),
  parent: z.string().optional(),
  redriveOf: z.string().optional(),
  deadline: time.optional(),
  steps: z.array(recordedStep).default([]),
  usage: usage.optional(),
  result: json.optional(),
  resultRef: z.string().optional(),
  error: failure.optional(),
  /** Why it is `dead`: the third token of its dead letter's subject. */
  reason: z.string().optional(),
  waiting: waiting.optional(),
  /** How often it has waited; the last `waiting.n`. */
  waits: z.number().int().optional(),
  createdAt: time,
  startedAt: time.optional(),
  finishedAt: time.optional(),
});

export type TaskRecord = Readonly<z.infer<typeof taskRecord>>;
export type Step = Readonly<z.infer<typeof recordedStep>>;
export type Failure = Readonly<z.infer<typeof failure>>;
export type Usage = Readonly<z.infer<typeof usage>>;
export type RecordStatus = TaskRecord['status'];
export type Held = NonNullable<TaskRecord['held']>;
export type DeadReason =
  | 'exhausted'
  | 'crash'
  | 'deadline'
  | 'invalid_input'
  | 'invalid_json'
  | 'invalid_header'
  | 'invalid_name'
  | 'unknown_task'
  | 'id_conflict'
  | 'refused';

/** How many attempts may vanish without an outcome before the task counts as what kills its workers. */
export const lostMax = 5;
/** A record in KV is at most this large; what does not fit goes to blobs. */
export const recordBytesMax = 256 * 1024;
export const stepsMax = 200;

export const isTerminal = ({ status }: { readonly status: string }): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled' || status === 'dead';

export const holds = (record: TaskRecord, { stream, seq }: Held): boolean =>
  record.held?.seq === seq && record.held.stream === stream;

/** What a task is before anything has become of it. */
export interface Origin {
  readonly id: string;
  readonly type: string;
  readonly route: Route;
  readonly inputHash: string;
  readonly taskKey?: string | undefined;
  readonly tenant?: string | undefined;
  readonly group?: string | undefined;
  readonly title?: string | undefined;
  readonly parent?: string | undefined;
  readonly redriveOf?: string | undefined;
  /** Epoch ms. */
  readonly deadlineAt?: number | undefined;
  readonly submittedAt: number;
}

/** A time up to its milliseconds, for the seconds that were asked for lately: most are asked for a thousand times. */
const lately = Array.from({ length: 64 }, () => ({ second: Number.NaN, text: '' }));

const iso = (ms: number): string => {
  const second = Math.floor(ms / 1_000);
  let known = lately[second & 63];
  if (known?.second !== second) {
    known = { second, text: new Date(ms).toISOString().slice(0, -'123Z'.length) };
    lately[second & 63] = known;
  }
  return `${known.text}${String(Math.trunc(ms) - second * 1_000).padStart(3, '0')}Z`;
};

/** What is absent is there as undefined, here and below, which JSON leaves out: records of one shape are copied fast. */
export const firstRecord = (origin: Origin): TaskRecord => ({
  v: 1,
  w: '',
  id: origin.id,
  type: origin.type,
  pool: origin.route.pool,
  lane: origin.route.lane,
  key: origin.taskKey,
  tenant: origin.tenant,
  group: origin.group,
  title: origin.title,
  parent: origin.parent,
  redriveOf: origin.redriveOf,
  deadline: origin.deadlineAt === undefined ? undefined : iso(origin.deadlineAt),
  status: 'running',
  attempt: 0,
  failures: 0,
  inputHash: origin.inputHash,
  steps: [],
  createdAt: iso(origin.submittedAt),
});

/** An attempt begins. `delivery` holds the task from now on. */
export const begun = (
  record: TaskRecord,
  { stream, seq }: Pick<Delivery, 'stream' | 'seq'>,
  worker: string,
  now: number,
): TaskRecord => ({
  ...record,
  status: 'running',
  attempt: record.attempt + 1,
  worker,
  held: { stream, seq },
  error: undefined,
  waiting: undefined,
  startedAt: record.startedAt ?? iso(now),
});

/** An attempt begins after one that left no outcome. */
export const begunAfterLoss = (
  record: TaskRecord,
  delivery: Pick<Delivery, 'stream' | 'seq'>,
  worker: string,
  now: number,
): TaskRecord => ({ ...begun(record, delivery, worker, now), lost: (record.lost ?? 0) + 1 });

const ended = (record: TaskRecord, status: RecordStatus, now: number): TaskRecord => ({
  ...record,
  status,
  lost: undefined,
  waiting: undefined,
  finishedAt: iso(now),
});

export const completed = (record: TaskRecord, result: Json | undefined, now: number): TaskRecord => ({
  ...ended(record, 'completed', now),
  result,
});

/** Its own handler said that it can never succeed. */
export const rejected = (record: TaskRecord, error: Failure, now: number): TaskRecord => ({
  ...ended(record, 'failed', now),
  failures: record.failures + 1,
  error,
});

/** Given up by Troupe: a dead letter follows. */
export const dead = (record: TaskRecord, reason: DeadReason, error: Failure, now: number): TaskRecord => ({
  ...ended(record, 'dead', now),
  reason,
  error,
});

export const cancelled = (record: TaskRecord, why: string | undefined, now: number): TaskRecord => ({
  ...ended(record, 'cancelled', now),
  error: { code: 'task_cancelled', message: why ?? 'cancelled' },
});

/** A failure that is worth another attempt at `until`. */
export const failed = (record: TaskRecord, error: Failure, until: number, scheduled: boolean): TaskRecord => {
  const n = (record.waits ?? 0) + 1;
  return {
    ...record,
    status: 'waiting',
    failures: record.failures + 1,
    lost: undefined,
    error,
    waits: n,
    waiting: { for: 'retry', n, until: iso(until), scheduled },
  };
};

/** Given back unfinished by a worker that stops: counts as nothing. */
export const handedBack = (record: TaskRecord, now: number): TaskRecord => {
  const n = (record.waits ?? 0) + 1;
  return {
    ...record,
    status: 'waiting',
    attempt: Math.max(record.attempt - 1, 0),
    waits: n,
    waiting: { for: 'handback', n, until: iso(now), scheduled: false },
  };
};

export const stepped = (record: TaskRecord, step: Step): TaskRecord => ({ ...record, steps: [...record.steps, step] });

const decoder = new TextDecoder('utf-8', { fatal: true });

export const encodeRecord = (record: TaskRecord): Uint8Array => Buffer.from(JSON.stringify(record));

/** `undefined` for what is no record: someone else wrote to the bucket. */
export const decodeRecord = (bytes: Uint8Array): TaskRecord | undefined => {
  try {
    return taskRecord.safeParse(JSON.parse(decoder.decode(bytes))).data;
  } catch {
    return undefined;
  }
};
