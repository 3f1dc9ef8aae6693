import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { defineApp, defineTask } from '../../src/index.ts';
import { testRuntime } from '../../src/testing/runtime.ts';

const hello = defineTask({ name: 'hello', input: z.object({}), run: async () => {} });

async function* coming<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

test.each([
  ['at hand', (items: readonly unknown[]) => items],
  ['coming', coming],
])('what is no item is refused by its index, and the others are accepted: items %s', async (_how, given) => {
  const { client, close } = await testRuntime(defineApp({ tasks: [hello] }));
  onTestFinished(() => close());
  const items = given([{ input: {} }, null, undefined, 'text', 7, { input: {} }]);
  const { accepted, refused } = await client.submitMany(hello, items as Iterable<{ input: Record<string, never> }>);
  expect(accepted).toBe(2);
  expect(refused.map(({ index, code, error }) => [index, code, error])).toEqual([
    [1, 'invalid_input', 'an item is null; it must be { input, … }'],
    [2, 'invalid_input', 'an item is undefined; it must be { input, … }'],
    [3, 'invalid_input', 'an item is text; it must be { input, … }'],
    [4, 'invalid_input', 'an item is 7; it must be { input, … }'],
  ]);
});

test('tasks go by name too, many at once', async () => {
  const { client, close, idle } = await testRuntime(defineApp({ tasks: [hello] }));
  onTestFinished(() => close());
  expect(await client.submitMany('hello', [{ input: {}, id: 'a' }, { input: {} }])).toMatchObject({ accepted: 2 });
  await idle();
  expect((await client.run('hello', 'a').status()).status).toBe('completed');
});
