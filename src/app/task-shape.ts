/** What a task may say, with each default in its one place. */
import { z } from 'zod';
import type { BatchHandler } from './batch-types.ts';
import { completedBackoff } from './retry.ts';
import type { Handler, Names, ResolvedBatch, ResolvedRetry } from './resolved.ts';
import type { Schema } from './schema.ts';
import { closed, duration, fn, known, laneName, token, whole } from './shape.ts';

const retry = closed({
  max: whole(1, 1_000).default(5),
  backoff: closed({
    first: duration(1).optional(),
    factor: z
      .number({ error: 'not a number' })
      .min(1, { error: 'less than 1' })
      .max(100, { error: 'more than 100' })
      .optional(),
    max: duration(1).optional(),
  })
    .prefault({})
    .transform(({ first, factor, max }) => completedBackoff({ firstMs: first, factor, maxMs: max }))
    .refine(({ firstMs, maxMs }) => firstMs <= maxMs, { error: 'first is longer than max' }),
})
  .prefault({})
  .transform(({ max, backoff }): ResolvedRetry => Object.freeze({ max, ...backoff }));

type Choose = (input: unknown) => unknown;
const choice = fn<Choose>().optional();

const policyShape = ({ pools, budgets }: Names) =>
  closed(
    {
      pool: known('pool', pools).default('default'),
      id: choice,
      key: choice,
      tenant: choice,
      title: choice,
      lane: z.union([laneName, fn<Choose>()], { error: 'no lane, nor a function that gives one' }).default('normal'),
      retry,
      timeout: duration(1).default(600_000),
      deadline: duration(1).optional(),
      budget: known('budget', budgets).optional(),
    },
    ['name', 'input', 'output', 'progress', 'run'],
  );

const standardSchema = z.custom<Schema>(
  (value) => (typeof value === 'object' || typeof value === 'function') && value !== null && '~standard' in value,
  { error: 'not a Standard Schema; give a schema of zod, valibot, arktype or the like' },
);

const noHandler = "there is none; give `run`, or list here what the task's `.run(...)` returned";

const batch = z
  .object({
    size: whole(1, 1_000),
    wait: duration(0, 10_000).default(50),
    handler: fn<BatchHandler>(),
  })
  .transform(({ wait, ...said }): ResolvedBatch => Object.freeze({ ...said, waitMs: wait }));

/** A task as `defineTask` made it, or `runBatch`. */
export const taskShape = (names: Names, batched = false) =>
  z.object(
    {
      name: token,
      input: standardSchema,
      output: standardSchema.optional(),
      progress: standardSchema.optional(),
      policy: policyShape(names),
      handler: batched ? z.undefined().optional() : fn<Handler>(noHandler),
      batch: batched ? batch : z.undefined().optional(),
    },
    { error: 'not a task; list what `defineTask` returned' },
  );
