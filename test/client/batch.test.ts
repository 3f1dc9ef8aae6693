import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineApp, defineTask } from '../../src/index.ts';
import { startWorld } from './world.ts';

const sizes: number[] = [];
const double = defineTask({
  name: 'double',
  input: z.object({ n: z.number() }),
  output: z.number(),
  retry: { max: 3, backoff: { first: '10ms' } },
}).runBatch({ size: 64, wait: '20ms' }, async (_ctx, items) => {
  sizes.push(items.length);
  for (const item of items) {
    if (item.input.n % 50 === 7 && item.attempt === 1) item.fail(new Error('not the first time'));
    else item.complete(item.input.n * 2);
  }
});

const app = defineApp({ pools: { default: { workers: { min: 64, max: 64 } } }, tasks: [double] });
let world: Awaited<ReturnType<typeof startWorld<typeof app>>>;
beforeAll(async () => {
  world = await startWorld(app);
});
afterAll(() => world.close());

test('many tasks on a real server end each by itself, in few calls of their handler', async () => {
  const client = await world.client({ app });
  const numbers = Array.from({ length: 640 }, (_, n) => n);
  const items = numbers.map((n) => ({ input: { n }, id: String(n), group: 'all' }));
  expect(await client.submitMany(double, items)).toMatchObject({ accepted: 640, refused: [] });
  const counts = await client.group('all').done({ timeout: '15s' });
  expect(counts.completed).toBe(640);
  const states = await Promise.all(numbers.map((n) => client.run(double, String(n)).status()));
  expect(states.map(({ output }) => output)).toEqual(numbers.map((n) => n * 2));
  expect(states.filter(({ attempt }) => attempt === 2)).toHaveLength(13);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(640 + 13);
  expect(sizes.length).toBeLessThan(640 / 8);
});
