/**
 * What became of a batch, worked out from what is stored: the rows in Postgres, and the records in KV beside them.
 * Nothing in here was counted while the batch ran.
 */
import { z } from 'zod';
import type { TaskRow } from '../../store/store.ts';
import { canonical } from '../../task/json.ts';
import type { Json, TaskRecord } from '../../task/record.ts';
import type { Item, TaskType } from './batch.ts';

export interface Found {
  readonly item: Item;
  readonly row: TaskRow | undefined;
  /** Gone an hour after its end. */
  readonly record: TaskRecord | undefined;
}

export interface Outcomes {
  readonly done: number;
  readonly failed: number;
  readonly dead: number;
  /** Cancelled, or not ended. */
  readonly other: number;
}

/** Calls of models whose answers are recorded. */
export interface Calls {
  /** Each once. */
  readonly made: number;
  /** How often a later attempt was given the record instead. */
  readonly replayed: number;
  /** As the provider has counted them. */
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** By the prices in the app's config. */
  readonly usd: number;
  /** How long each of them waited for its permit, shortest first. */
  readonly waitedMs: readonly number[];
}

export interface Account {
  readonly byType: Readonly<Record<TaskType, Outcomes>>;
  readonly together: Outcomes;
  /** Tasks that lost a worker, and went on at another. */
  readonly takenOver: number;
  /** Tasks that failed at least once and were tried again. */
  readonly retried: number;
  readonly calls: Calls;
  /** How far Postgres and KV say the same. */
  readonly rows: number;
  readonly records: number;
  readonly differing: readonly Item[];
  readonly dead: readonly Item[];
  /** Of those that failed or are dead, how many the example app fails on purpose, by their own word. */
  readonly onPurpose: number;
}

/** What a call's step says of the call. */
const recordedCall = z.object({
  /** Which attempt made it. */
  attempt: z.number(),
  waitedMs: z.number(),
  billed: z.object({ inputTokens: z.number(), outputTokens: z.number(), usd: z.number() }),
});

const outcomes = (found: readonly Found[]): Outcomes => {
  const count = (status: string): number => found.filter(({ row }) => row?.status === status).length;
  const [done, failed, dead] = [count('completed'), count('failed'), count('dead')];
  return { done, failed, dead, other: found.length - done - failed - dead };
};

/** Attempts of which no outcome was ever recorded: all but the failures, and the last one where that was none. */
const lost = ({ attempt, failures, status, reason }: TaskRow): number => {
  const endedInFailure = status === 'failed' || reason === 'exhausted' || reason === 'deadline';
  return attempt - failures - (endedInFailure ? 0 : 1);
};

const callsOf = (rows: readonly TaskRow[]): Calls => {
  const calls = rows.flatMap(({ attempt, steps }) =>
    steps
      .filter(({ name, result }) => name.startsWith('model:') && result !== undefined)
      .map(({ result = '' }) => recordedCall.parse(JSON.parse(result)))
      .map((call) => ({ ...call, replayed: attempt - call.attempt })),
  );
  const sum = (of: (call: (typeof calls)[number]) => number): number => calls.reduce((all, call) => all + of(call), 0);
  return {
    made: calls.length,
    replayed: sum(({ replayed }) => replayed),
    inputTokens: sum(({ billed }) => billed.inputTokens),
    outputTokens: sum(({ billed }) => billed.outputTokens),
    usd: sum(({ billed }) => billed.usd),
    waitedMs: calls.map(({ waitedMs }) => waitedMs).toSorted((a, b) => a - b),
  };
};

/** Postgres keeps JSON in an order of its own. */
const inOrder = (value: Json | undefined): string | undefined => (value === undefined ? undefined : canonical(value));

const same = (row: TaskRow | undefined, record: TaskRecord): boolean =>
  row !== undefined &&
  row.status === record.status &&
  row.attempt === record.attempt &&
  inOrder(row.result === undefined ? undefined : JSON.parse(row.result)) === inOrder(record.result);

export const accountOf = (found: readonly Found[]): Account => {
  const rows = found.flatMap(({ row }) => (row ? [row] : []));
  const of = (type: TaskType): Outcomes => outcomes(found.filter(({ item }) => item.type === type));
  return {
    byType: { summarise: of('summarise'), extract: of('extract'), inspect: of('inspect') },
    together: outcomes(found),
    takenOver: rows.filter((row) => lost(row) > 0).length,
    retried: rows.filter(({ attempt, failures }) => failures > 0 && attempt > failures).length,
    calls: callsOf(rows),
    rows: rows.length,
    records: found.filter(({ record }) => record !== undefined).length,
    differing: found.flatMap(({ item, row, record }) => (record && !same(row, record) ? [item] : [])),
    dead: found.flatMap(({ item, row }) => (row?.status === 'dead' ? [item] : [])),
    onPurpose: rows.filter(({ status, error = '' }) => /^(failed|dead)$/.test(status) && error.includes('on purpose'))
      .length,
  };
};
