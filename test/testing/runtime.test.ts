import { onTestFinished, expect, test } from 'vitest';
import { z } from 'zod';
import { type App, defineApp, defineTask } from '../../src/index.ts';
import { type TestOptions, testRuntime } from '../../src/testing/runtime.ts';

const open = async <A extends App>(app: A, options?: TestOptions) => {
  const opened = await testRuntime(app, options);
  onTestFinished(() => opened.close());
  return opened;
};

const greet = defineTask({
  name: 'greet',
  input: z.object({ name: z.string() }),
  output: z.object({ text: z.string() }),
  run: async (_ctx, { name }) => ({ text: `Hello, ${name}` }),
});

test('a task runs to its result without any time passing', async () => {
  const { client, clock } = await open(defineApp({ tasks: [greet] }));
  const before = clock.now();
  const run = await client.submit(greet, { name: 'Ada' });
  expect(await run.result()).toEqual({ text: 'Hello, Ada' });
  expect(clock.now()).toEqual(before);
  expect(await run.status()).toMatchObject({ status: 'completed', attempt: 1 });
});
