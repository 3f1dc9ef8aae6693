/**
 * A batch as one attempt, that of its first task: it lives as long as any of its tasks may, and has only what they have in
 * common. Nothing of it is recorded, for the next batch is of other tasks.
 */
import type { Attempt } from '../task/executor.ts';
import type { Journal } from '../task/journal.ts';
import { throughJson } from '../task/json.ts';
import type { Usage } from '../task/record.ts';

/** A task's attempt, which shares the batch with others, and what it costs. */
export interface Sharer {
  readonly attempt: Attempt;
  /** Whether it has no outcome yet. */
  readonly isOpen: () => boolean;
  /** Adds to what it has cost so far. */
  readonly charge: (used: Usage) => void;
}

/** `members`: one at least. `signal` aborts when none of them is open any more. */
export const attemptOfAll = (members: readonly Sharer[], signal: AbortSignal): Attempt => {
  const attempts = members.map(({ attempt }) => attempt);
  const [first] = attempts;
  if (!first) throw new Error('a batch of no tasks');
  const common = <T>(of: (attempt: Attempt) => T): T | undefined =>
    attempts.every((attempt) => of(attempt) === of(first)) ? of(first) : undefined;
  const deadlines = attempts.map(({ task }) => task.deadlineAt ?? Number.POSITIVE_INFINITY);
  const latest = deadlines.reduce((a, b) => Math.max(a, b));
  return {
    ...first,
    task: {
      ...first.task,
      tenant: common(({ task }) => task.tenant),
      key: common(({ task }) => task.key),
      deadlineAt: Number.isFinite(latest) ? latest : undefined,
    },
    startedAt: attempts.reduce((earliest, { startedAt }) => Math.min(earliest, startedAt), first.startedAt),
    journal: unrecorded(members),
    signal,
  };
};

const unrecorded = (members: readonly Sharer[]): Journal => ({
  step: async (name, _key, run, usageOf) => {
    const made = await run({ interrupted: undefined, begun: async () => {} });
    const value = throughJson(made, `the result of "${name}"`);
    if (usageOf) divide(usageOf(value), members);
    return { value, replayed: false, ms: 0 };
  },
});

/** Equally, in whole tokens, among those that are still to be done. */
const divide = ({ inputTokens, outputTokens, usd }: Usage, members: readonly Sharer[]): void => {
  const open = members.filter(({ isOpen }) => isOpen());
  for (const [index, { charge }] of open.entries()) {
    const part = (tokens: number): number => Math.floor(tokens / open.length) + (index < tokens % open.length ? 1 : 0);
    charge({ inputTokens: part(inputTokens), outputTokens: part(outputTokens), usd: usd / open.length });
  }
};
