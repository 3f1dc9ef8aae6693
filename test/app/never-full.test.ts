import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineApp, defineTask } from '../../src/index.ts';
import { limitedWorld, warnings } from '../llm/limited-world.ts';

const batched = (name: string, size: number, pool?: string) =>
  defineTask({ name, input: z.null(), ...(pool && { pool }) }).runBatch({ size }, async (_ctx, items) => {
    for (const item of items) item.complete(undefined);
  });

test('a batch that its pool has too few workers to fill is warned of at boot, with both numbers', async () => {
  const { log, of } = warnings();
  const app = defineApp({
    pools: { small: { workers: { min: 3, max: 50 } }, none: { workers: { min: 0 } } },
    tasks: [
      batched('fits', 3, 'small'),
      batched('large', 4, 'small'),
      batched('usual', 2),
      batched('alone', 1, 'none'),
      defineTask({ name: 'single', input: z.null(), run: async () => {} }),
    ],
  });
  await limitedWorld(app, log);
  expect(of('will ever be full')).toEqual([
    { task: 'large', size: 4, pool: 'small', workers: 3 },
    { task: 'usual', size: 2, pool: 'default', workers: 1 },
  ]);
});
