/** The batch as its records tell it, live: what has ended, what runs where. */
import { decodeRecord, type TaskRecord } from '../../task/record.ts';
import type { Bucket } from '../../kv/kv.ts';
import type { Item } from './batch.ts';

/** A record without its steps, which would be most of its weight. */
export type Sight = Pick<TaskRecord, 'status' | 'attempt' | 'failures' | 'worker'>;

const statuses = ['completed', 'failed', 'dead', 'cancelled', 'running', 'waiting'] as const;

export const statusOf = (text: string): Sight['status'] | undefined => statuses.find((status) => status === text);

export interface Tally {
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly dead: number;
  readonly cancelled: number;
  readonly running: number;
  /** For a retry or to be given out again. */
  readonly waiting: number;
}

export interface Following {
  tally(): Tally;
  /** Running at a worker of this node, by the last word of each since following began: an earlier one had its name too. */
  heldBy(node: string): readonly Item[];
  sight(item: Item): Sight | undefined;
  /** Calls back after each change; the answer stops it. */
  onChange(changed: (item: Item, sight: Sight) => void): () => void;
  stop(): void;
}

/** Names of workers begin with their node's. */
export const isOf = (node: string, { worker }: Sight): boolean =>
  worker === node || (worker?.startsWith(`${node}.`) ?? false);

const tallyOf = (total: number, sights: Iterable<Sight>): Tally => {
  const tally = { total, completed: 0, failed: 0, dead: 0, cancelled: 0, running: 0, waiting: 0 };
  for (const { status } of sights) tally[status] += 1;
  return tally;
};

export const ended = ({ completed, failed, dead, cancelled }: Tally): number => completed + failed + dead + cancelled;

/** Resolves when all there was has been read. `earlier`: what had ended before, and may have left KV by now. */
export const follow = async (
  records: Bucket,
  items: readonly Item[],
  earlier: ReadonlyMap<string, Sight>,
): Promise<Following> => {
  const byKey = new Map(items.map((item) => [item.key, item]));
  const sights = new Map(earlier);
  const fresh = new Set<string>();
  let live = false;
  const listeners = new Set<(item: Item, sight: Sight) => void>();
  const { promise: complete, resolve: caughtUp } = Promise.withResolvers<void>();

  const changed = (key: string, bytes: Uint8Array | undefined): void => {
    const item = byKey.get(key);
    const record = bytes && decodeRecord(bytes);
    if (!item || !record) return; // Another batch's, or a record whose time in KV is over: what was seen stays true.
    const { status, attempt, failures, worker } = record;
    const sight = { status, attempt, failures, worker };
    sights.set(key, sight);
    if (live) fresh.add(key);
    for (const listener of listeners) listener(item, sight);
  };

  const watch = await records.watch('>', (key, entry) => changed(key, entry?.value), { caughtUp });
  await complete;
  live = true;
  return {
    tally: () => tallyOf(items.length, sights.values()),
    heldBy: (node) =>
      items.filter(({ key }) => {
        const sight = sights.get(key);
        return fresh.has(key) && sight?.status === 'running' && isOf(node, sight);
      }),
    sight: ({ key }) => sights.get(key),
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    stop: () => watch.unsubscribe(),
  };
};

/** Resolves when `done` says so of the tally, now or after a change; rejects with the signal's reason. */
export const until = (following: Following, done: () => boolean, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      stop();
      signal.removeEventListener('abort', abort);
      end();
    };
    const abort = (): void => settle(() => reject(signal.reason));
    const look = (): void => {
      if (done()) settle(resolve);
    };
    const stop = following.onChange(look);
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    else look();
  });
