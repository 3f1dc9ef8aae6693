/** What a config may say, with each default in its one place. */
import { z } from 'zod';
import { lanes } from '../bus/subjects.ts';
import type { ClassifyRule } from '../task/classify.ts';
import type { Names, ResolvedLane } from './resolved.ts';
import { closed, fn, known, laneName, token, tokenRule, whole } from './shape.ts';

const lane = (weight: number) =>
  closed({ weight: whole(1, 1_000).default(weight), reserve: whole(0, 100_000).default(0) })
    .prefault({})
    .transform((share): ResolvedLane => Object.freeze(share));

const workers = closed({ min: whole(0, 100_000).optional(), max: whole(1, 100_000).optional() })
  .prefault({})
  .transform(({ min, max }) => Object.freeze({ min: min ?? Math.min(1, max ?? 1), max: max ?? Math.max(10, min ?? 1) }))
  .refine(({ min, max }) => min <= max, { error: 'min is more than max' });

const queue = closed({ max: whole(1, 1e9).default(1_000_000) })
  .prefault({})
  .transform((limits) => Object.freeze(limits));

export const poolShape = ({ tasks }: Names) =>
  closed({
    distribution: z.literal('pull', { error: 'only "pull" is available in this version' }).default('pull'),
    workers,
    lanes: closed({ high: lane(8), normal: lane(4), low: lane(1) })
      .prefault({})
      .transform((shares) => Object.freeze(shares)),
    serves: z.array(known('task', tasks), { error: 'not a list of names' }).optional(),
    queue,
  })
    .refine((pool) => reserved(pool.lanes) < pool.workers.max, {
      path: ['lanes'],
      error: 'they reserve all workers; `reserve` of all lanes together must be less than `workers.max`',
    })
    .transform(({ distribution: _, serves, ...pool }) => ({ ...pool, serves: serves && new Set(serves) }));

const reserved = (shares: Readonly<Record<string, ResolvedLane>>): number =>
  lanes.reduce((sum, name) => sum + (shares[name]?.reserve ?? 0), 0);

const error = 'not available in this version; leave it empty';

const byName =
  (what: string) =>
  ({ code }: { readonly code: string }): string =>
    code === 'invalid_key' ? `no name; give ${tokenRule}` : `not an object of ${what} by name`;

/** Pools, budgets and models are shaped one by one, so that a mistake in one hides none in another. */
export const configShape = ({ pools }: Names) =>
  closed(
    {
      pools: z.record(token, z.unknown(), { error: byName('pools') }).default({}),
      classify: z
        .array(
          closed({
            when: fn<ClassifyRule['when']>(),
            pool: known('pool', pools).exactOptional(),
            lane: laneName.exactOptional(),
          }),
          { error: 'not a list of rules' },
        )
        .default([]),
      deps: fn<(signal: AbortSignal) => unknown>().optional(),
      version: z.string({ error: 'not a text' }).optional(),
      budgets: z.record(token, z.unknown(), { error: byName('budgets') }).default({}),
      models: z.record(token, z.unknown(), { error: byName('models') }).default({}),
      embeddings: z.record(token, z.unknown(), { error: byName('embeddings') }).default({}),
      agents: z.tuple([], { error }).optional(),
    },
    ['tasks', 'schedules'],
  );
