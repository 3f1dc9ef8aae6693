/** A batch as it is stored: its rows in Postgres, its records in KV. */
import type { Clock } from '../../kernel/clock.ts';
import { isTroupeError, TimeoutError } from '../../kernel/errors.ts';
import { portions } from '../../kernel/portions.ts';
import type { Bucket } from '../../kv/kv.ts';
import type { Store, TaskRow } from '../../store/store.ts';
import { decodeRecord, isTerminal, type TaskRecord } from '../../task/record.ts';
import type { Found } from './account.ts';
import type { Item } from './batch.ts';
import { type Sight, statusOf } from './follow.ts';

/** Records hold whole documents, so few of them fill an answer. */
const readAtOnce = 50;

const rowsOf = async (store: Store, items: readonly Item[]): Promise<ReadonlyMap<string, TaskRow>> => {
  const rows = new Map<string, TaskRow>();
  for (const some of portions(items, readAtOnce)) {
    const read = async ({ type, id, key }: Item): Promise<void> => {
      const row = await store.task(type, id);
      if (row) rows.set(key, row);
    };
    await Promise.all(some.map(read));
  }
  return rows;
};

const recordsOf = async (records: Bucket, items: readonly Item[]): Promise<ReadonlyMap<string, TaskRecord>> => {
  const found = new Map<string, TaskRecord>();
  for (const some of portions(items, readAtOnce)) {
    const entries = await records.getMany(some.map(({ key }) => key));
    for (const { key, value } of entries.values()) {
      const record = decodeRecord(value);
      if (record) found.set(key, record);
    }
  }
  return found;
};

/** What Postgres knows to have ended, as following the records would have shown it: KV may have forgotten. */
export const endedBefore = async (store: Store, items: readonly Item[]): Promise<ReadonlyMap<string, Sight>> => {
  const sights = new Map<string, Sight>();
  for (const [key, { status, attempt, failures, worker }] of await rowsOf(store, items)) {
    const known = statusOf(status);
    if (known && isTerminal({ status })) sights.set(key, { status: known, attempt, failures, worker });
  }
  return sights;
};

export const found = async (store: Store, records: Bucket, items: readonly Item[]): Promise<readonly Found[]> => {
  const [rows, entries] = await Promise.all([rowsOf(store, items), recordsOf(records, items)]);
  return items.map((item) => ({ item, row: rows.get(item.key), record: entries.get(item.key) }));
};

export interface Projection {
  readonly store: Store;
  readonly items: readonly Item[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Postgres follows KV within seconds; longer than this, and something is wrong. */
const projectionMs = 60_000;
const pauseMs = 100;

const endedRows = async (store: Store, items: readonly Item[]): Promise<number> => {
  // Down for a while is not wrong yet.
  const counts = await store.countByStatus(items).catch((error: unknown) => {
    if (isTroupeError(error, 'unavailable')) return {};
    throw error;
  });
  return Object.entries(counts).reduce((sum, [status, count]) => sum + (isTerminal({ status }) ? count : 0), 0);
};

/** Resolves when Postgres has the end of every task of a batch. Throws TimeoutError after a minute. */
export const projected = async ({ store, items, clock, signal }: Projection): Promise<void> => {
  const start = clock.monotonic();
  for (;;) {
    const rows = await endedRows(store, items);
    if (rows >= items.length) return;
    if (clock.monotonic() - start > projectionMs)
      throw new TimeoutError(
        `Postgres has ${rows} of ${items.length} tasks a minute after they ended; the nodes' logs say why`,
      );
    await clock.sleep(pauseMs, signal);
  }
};
