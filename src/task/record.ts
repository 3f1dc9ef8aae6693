/**
 * A task's one KV entry: what has become of it, and who may write it. Everything else (the result that was published,
 * the dead letter, the retry's timer) follows from the record, so that whoever reads it can repeat it.
 */
import { z } from 'zod';
import { storable } from './json.ts';

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

const openCall = z.object({
  name: z.string(),
  key: z.string().optional(),
  /** The provider's own name for the request. */
  requestId: z.string(),
  at: time,
});

export const statuses = ['running', 'waiting', 'completed', 'failed', 'cancelled', 'dead'] as const;

const failure = z.object({ code: z.string(), message: z.string(), stack: z.string().optional() });

const waiting = z.object({
  /**
   * `retry`: a failed attempt is tried again; `handback`: a worker gave the task back before its end; `budget`: its next
   * attempt needs a permit.
   */
  for: z.enum(['retry', 'handback', 'budget']),
  /** Whose permit it waits for. */
  budget: z.string().optional(),
  /** Which node held it for that when this was written. */
  node: z.string().optional(),
  /** Counts this task's waits: a timer or a wake-up for another wait than this one is stale. */
  n: z.number().int(),
  until: time,
  /** Whether a timer in SCHED brings it back; otherwise the delivery itself does, nak'ed with the delay. */
  scheduled: z.boolean(),
});

export const taskUsage = z.object({ inputTokens: z.number(), outputTokens: z.number(), usd: z.number() });

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
  status: z.enum(statuses),
  /** Which attempt this is, or was last; counts from 1. */
  attempt: z.number().int(),
  /** Attempts that ended in a recorded failure. */
  failures: z.number().int(),
  /** Attempts since the last recorded outcome that ended without one: their worker is gone. */
  lost: z.number().int().optional(),
  /** An attempt of a batch did not say what became of it: the next go by themselves. */
  alone: z.boolean().optional(),
  worker: z.string().optional(),
  /** The stored message in whose name the task runs. Any other message for the same task is a twin. */
  held: z
    .object({
      stream: z.string(),
      seq: z.number().int(),
      /** In which hand-out of the message its last attempt began; absent for the first. */
      deliveries: z.number().int().optional(),
    })
    .optional(),
  inputHash: z.string(),
  input: json.optional(),
  inputRef: z.string().optional(),
  parent: z.string().optional(),
  redriveOf: z.string().optional(),
  deadline: time.optional(),
  steps: z.array(recordedStep).default([]),
  /** Calls whose answer has begun, but is not recorded yet: what the steps of an attempt that vanished were doing. */
  calls: z.array(openCall).optional(),
  /** What all its calls of models used, those included whose answers were forgotten. */
  usage: taskUsage.optional(),
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
/** A call that is under way. */
export type OpenCall = Readonly<z.infer<typeof openCall>>;
export type Failure = Readonly<z.infer<typeof failure>>;
export type Usage = Readonly<z.infer<typeof taskUsage>>;
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

/**
 * What is older than a task by more than this may be an earlier one's of its id, which is free again ten seconds after that
 * one's end at the earliest: half of them are left to servers whose clocks differ.
 */
export const clocksApartMs = 5_000;

export const isTerminal = ({ status }: { readonly status: string }): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled' || status === 'dead';

/** By its name, which all its keys share, or by `<name>:<key>`. */
export const isNamed = ({ name, key }: Pick<Step, 'name' | 'key'>, names: readonly string[]): boolean =>
  names.includes(name) || (key !== undefined && names.includes(`${name}:${key}`));

type Place = Pick<Held, 'stream' | 'seq'>;

export const holds = (record: TaskRecord, { stream, seq }: Place): boolean =>
  record.held?.seq === seq && record.held.stream === stream;

/** A stored message as it was handed out, for which time. */
export interface HandOut extends Readonly<Place> {
  readonly deliveries: number;
}

/** Whether the message was handed out once more since, and that delivery has begun the task. */
export const isOvertaken = (record: TaskRecord, delivery: HandOut): boolean =>
  holds(record, delivery) && (record.held?.deliveries ?? 1) > delivery.deliveries;

const decoder = new TextDecoder('utf-8', { fatal: true });

export const encodeRecord = (record: TaskRecord): Uint8Array => Buffer.from(storable(JSON.stringify(record)));

/** `undefined` for what is no record: someone else wrote to the bucket. */
export const decodeRecord = (bytes: Uint8Array): TaskRecord | undefined => {
  try {
    return taskRecord.safeParse(JSON.parse(decoder.decode(bytes))).data;
  } catch {
    return undefined;
  }
};
