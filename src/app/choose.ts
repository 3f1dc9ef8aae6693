import { isLane, type Lane } from '../bus/subjects.ts';
import { InvalidInputError } from '../kernel/errors.ts';
import type { Choice } from './resolved.ts';

type Choose = (input: unknown) => unknown;

/** A task's policy once its defaults are in. */
export interface Chooser {
  readonly pool: string;
  readonly lane: Lane | Choose;
  readonly id?: Choose | undefined;
  readonly key?: Choose | undefined;
  readonly tenant?: Choose | undefined;
  readonly title?: Choose | undefined;
}

/** A policy that looks at no input answers with one and the same object. */
export const chooser = (task: string, policy: Chooser): ((input: unknown) => Choice) => {
  const { pool, lane, id, key, tenant, title } = policy;
  const what = (name: string): string => `${name} of task "${task}"`;
  if (typeof lane === 'string' && !id && !key && !tenant && !title) {
    const choice = Object.freeze({ pool, lane });
    return () => choice;
  }
  return (input) => ({
    pool,
    lane: typeof lane === 'string' ? lane : laneOf(lane, input, what('lane')),
    ...(id && { id: textOf(id, input, what('id')) }),
    ...(key && { key: textOf(key, input, what('key')) }),
    ...(tenant && { tenant: textOf(tenant, input, what('tenant')) }),
    ...(title && { title: textOf(title, input, what('title')) }),
  });
};

const textOf = (choose: Choose, input: unknown, what: string): string => {
  const chosen = call(choose, input, what);
  if (typeof chosen === 'string') return chosen;
  throw new InvalidInputError(`${what}: the function gave ${typeof chosen}; it must give a string`);
};

const laneOf = (choose: Choose, input: unknown, what: string): Lane => {
  const chosen = call(choose, input, what);
  if (typeof chosen === 'string' && isLane(chosen)) return chosen;
  throw new InvalidInputError(`${what}: the function gave ${typeof chosen}; it must give high, normal or low`);
};

const call = (choose: Choose, input: unknown, what: string): unknown => {
  try {
    return choose(input);
  } catch (cause) {
    throw new InvalidInputError(`${what}: the function threw for this input`, { cause });
  }
};
