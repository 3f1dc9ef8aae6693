/**
 * A run's events, told from what is stored: its record says where it is, its messages in TOKENS what it shows on the
 * way. Pure: what has been told before decides what a record has to add.
 */
import { z } from 'zod';
import type { Chunk } from '../app/stream-types.ts';
import type { Stored } from '../bus/queue.ts';
import type { Entry } from '../kv/kv.ts';
import { decodeRecord, isTerminal, type TaskRecord } from '../task/record.ts';
import type { TaskStatus } from '../task/status.ts';
import type { RunEvent } from './types.ts';

export interface Story {
  /** Accepted, and nothing more is known of it. */
  queued(at: Date): readonly RunEvent[];
  /** What a record has to add, but its end. */
  record(entry: Pick<Entry, 'value' | 'at'>): readonly RunEvent[];
  token(stored: Pick<Stored, 'seq' | 'data'>): readonly RunEvent[];
  /** `lastSeq`: of the last message that the run has shown. */
  end(status: TaskStatus, at: Date, lastSeq: number): RunEvent;
}

/** Any that a task has shown: their kinds are the AI SDK's, and grow with it. */
const isChunk = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';

const shown = { attempt: z.number().int(), at: z.iso.datetime() };
const token = z.discriminatedUnion('type', [
  z.object({ ...shown, type: z.literal('progress'), value: z.json() }),
  z.object({
    ...shown,
    type: z.literal('step'),
    name: z.string(),
    key: z.string().exactOptional(),
    ms: z.number(),
    replayed: z.boolean(),
  }),
  z.object({ ...shown, type: z.literal('chunk'), chunk: z.custom<Chunk>(isChunk) }),
]);
export type Token = z.infer<typeof token>;

const decoder = new TextDecoder();

/** `undefined` for what this client does not know: a newer node may show more. */
export const decodeToken = (data: Uint8Array): Token | undefined => {
  try {
    return token.safeParse(JSON.parse(decoder.decode(data))).data;
  } catch {
    return undefined;
  }
};

/** `from`: the first number wanted; those before it have been told by another story. */
export const story = (from: number): Story => {
  let n = Math.max(0, from - 1);
  let queuedTold = from > 0;
  let attemptTold = 0;
  let waitTold = 0;

  const queued = (at: Date): readonly RunEvent[] => {
    if (queuedTold) return [];
    queuedTold = true;
    return [{ n, at, attempt: 0, type: 'queued' }];
  };

  const started = (attempt: number, at: Date): readonly RunEvent[] => {
    if (attempt <= attemptTold) return [];
    attemptTold = attempt;
    return [...queued(at), { n, at, attempt, type: 'started' }];
  };

  const retrying = ({ attempt, waiting, error }: TaskRecord, writtenAt: number): readonly RunEvent[] => {
    if (waiting?.for !== 'retry' || waiting.n <= waitTold) return [];
    waitTold = waiting.n;
    const { code, message } = error ?? { code: 'unknown', message: 'no error was recorded' };
    const delayMs = Math.max(0, Date.parse(waiting.until) - writtenAt);
    return [{ n, at: new Date(writtenAt), attempt, type: 'retrying', code, error: message, delayMs }];
  };

  return {
    queued,
    record: ({ value, at: writtenAt }) => {
      const record = decodeRecord(value);
      if (!record) return [];
      const { attempt, createdAt, startedAt } = record;
      const begun = attempt === 1 && startedAt !== undefined ? new Date(startedAt) : new Date(writtenAt);
      const events = [...queued(new Date(createdAt)), ...started(attempt, begun)];
      return isTerminal(record) ? events : [...events, ...retrying(record, writtenAt)];
    },
    token: ({ seq, data }) => {
      const event = decodeToken(data);
      const before = event ? started(event.attempt, new Date(event.at)) : [];
      n = Math.max(n, seq);
      return event ? [...before, { ...event, n, at: new Date(event.at) }] : [];
    },
    end: (status, at, lastSeq) => ({ n: Math.max(n, lastSeq) + 1, at, attempt: status.attempt, ...endOf(status) }),
  };
};

type End =
  | { readonly type: 'cancelled' }
  | { readonly type: 'completed'; readonly output: unknown }
  | { readonly type: 'failed'; readonly code: string; readonly error: string };

export const endOf = ({ status, output, error }: Pick<TaskStatus, 'status' | 'output' | 'error'>): End => {
  if (status === 'completed') return { type: 'completed', output };
  if (status === 'cancelled') return { type: 'cancelled' };
  return { type: 'failed', code: error?.code ?? 'unknown', error: error?.message ?? 'no error was recorded' };
};
