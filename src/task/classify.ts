/** Where a task goes: the same pure decision at the client's edge and in ingress. */
import type { Lane, Route } from '../bus/subjects.ts';

/** What a classify rule sees. */
export interface Incoming {
  readonly type: string;
  readonly input: unknown;
  readonly tenant?: string;
  readonly key?: string;
  readonly bytes: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** Chooses pool, lane or both for the tasks that it matches. */
export interface ClassifyRule {
  /** Must be quick and pure; one that throws matches nothing. */
  readonly when: (task: Incoming) => boolean;
  readonly pool?: string;
  readonly lane?: Lane;
}

/** Pool and lane as somebody wishes them. */
export interface Wish {
  readonly pool?: string;
  readonly lane?: Lane;
}

/**
 * Order of choice, for pool and lane apart: the first rule that matches and names one, the submit option, the task's
 * own, the default. A rule that throws matches nothing.
 */
export const classify = (
  rules: readonly ClassifyRule[],
  task: Incoming,
  { submitted, own }: { readonly submitted: Wish; readonly own: Wish },
): Route => {
  const rule = rules.length === 0 ? undefined : rules.find((candidate) => matches(candidate, task));
  return {
    pool: rule?.pool ?? submitted.pool ?? own.pool ?? 'default',
    lane: rule?.lane ?? submitted.lane ?? own.lane ?? 'normal',
    partition: '0',
  };
};

const matches = ({ when }: ClassifyRule, task: Incoming): boolean => {
  try {
    return when(task);
  } catch {
    return false; // A rule is the operator's code: it must not decide whether a task is taken.
  }
};
