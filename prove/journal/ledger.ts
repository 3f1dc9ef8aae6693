/** What the records have said, revision by revision: from when on a call's result was recorded, and of which task. */
import { z } from 'zod';

/** `at`: when its worker had the result, and was about to record it. */
const step = z.object({ name: z.string(), key: z.string().optional(), at: z.iso.datetime() });

const record = z.object({
  status: z.string(),
  attempt: z.number(),
  worker: z.string().optional(),
  steps: z.array(step).default([]),
});

export type TaskState = z.infer<typeof record>;

/** One message of the bucket's stream. */
export interface Revision {
  readonly revision: number;
  /** When nats-server stored it, epoch ms. */
  readonly atMs: number;
  /** The record's key. */
  readonly task: string;
  readonly value: unknown;
}

export interface Stored {
  readonly task: string;
  readonly revision: number;
  /** When its revision was stored, or where revisions were missed that may have had it, when it was made at the earliest. */
  readonly atMs: number;
}

export interface Ledger {
  see(revision: Revision): void;
  /** As they were last. */
  readonly tasks: ReadonlyMap<string, TaskState>;
  /** By idempotency key. */
  readonly calls: ReadonlyMap<string, Stored>;
  /** Revisions that were replaced before they were seen: a bucket keeps the last of each key only. */
  missed(): number;
  /** How many recorded results an attempt was begun with that was not the first: so many calls need not be made again. */
  spared(): number;
  /** Of all tasks together. */
  attempts(): number;
}

/** The key that a step's request carries: a model's call has its hash and no name in it, a tool's has both. */
export const keyOf = (task: string, { name, key }: Pick<TaskState['steps'][number], 'name' | 'key'>): string =>
  [task, ...(name.startsWith('model:') ? [] : [name]), ...(key === undefined ? [] : [key])].join(':');

interface Place {
  readonly revision: number;
  readonly atMs: number;
}

/** `fromMs`: when it began, with an empty bucket. */
export const ledger = (fromMs: number): Ledger => {
  const tasks = new Map<string, TaskState>();
  const calls = new Map<string, Stored>();
  const seenOf = new Map<string, number>();
  const gaps: Place[] = [];
  let last: Place = { revision: 0, atMs: fromMs };
  let missed = 0;
  let spared = 0;

  /**
   * A gap since the task was last seen may have hidden a revision of its own. It came after the gap began, and after its
   * worker had the result.
   */
  const storedAt = ({ task, atMs }: Revision, madeMs: number): number => {
    const since = seenOf.get(task) ?? 0;
    const gap = gaps.find(({ revision }) => revision >= since);
    return gap ? Math.min(atMs, Math.max(gap.atMs, madeMs)) : atMs;
  };

  return {
    see: (one) => {
      const { revision, atMs, task, value } = one;
      if (revision <= last.revision) return; // After a reconnect it is told again.
      if (revision > last.revision + 1) {
        missed += revision - last.revision - 1;
        gaps.push(last);
      }
      last = { revision, atMs };
      const state = record.parse(value);
      const before = tasks.get(task);
      if (state.attempt > (before?.attempt ?? 1)) spared += state.steps.length;
      for (const made of state.steps) {
        const key = keyOf(task, made);
        if (!calls.has(key)) calls.set(key, { task, revision, atMs: storedAt(one, Date.parse(made.at)) });
      }
      tasks.set(task, state);
      seenOf.set(task, revision);
    },
    tasks,
    calls,
    missed: () => missed,
    spared: () => spared,
    attempts: () => [...tasks.values()].reduce((sum, { attempt }) => sum + attempt, 0),
  };
};
