import type { ResolvedApp } from './resolved.ts';

/** The budget that each start of a task takes a permit of, by the task's name, and how long an attempt may hold it, in ms. */
export const startBudgets = ({
  tasks,
}: Pick<ResolvedApp, 'tasks'>): ReadonlyMap<string, { readonly budget: string; readonly holdMs: number }> =>
  new Map(
    [...tasks.values()].flatMap(({ name, budget, timeoutMs }) =>
      budget === undefined ? [] : ([[name, { budget, holdMs: timeoutMs }]] as const),
    ),
  );
