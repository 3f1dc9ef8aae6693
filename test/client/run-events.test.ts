import { ReadableStream } from 'node:stream/web';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { type App, defineApp, defineTask } from '../../src/index.ts';
import { testRuntime } from '../../src/testing/runtime.ts';

const open = async <A extends App>(app: A) => {
  const opened = await testRuntime(app);
  onTestFinished(() => opened.close());
  return opened;
};

const shows = defineTask({
  name: 'shows',
  input: z.object({ count: z.number() }),
  run: async (ctx, { count }) => {
    for (let n = 0; n < count; n++) ctx.progress(n);
  },
});

test('a reader who takes his time is told all that a run has shown, however long ago it has ended', async () => {
  const { client, clock, idle } = await open(defineApp({ tasks: [shows] }));
  const count = 5_000; // More than is read ahead, twice.
  const run = await client.submit(shows, { count });
  await run.result();
  const seen: unknown[] = [];
  let last = '';
  for await (const event of client.run(shows, run.id).events()) {
    last = event.type;
    if (event.type !== 'progress') continue;
    seen.push(event.value);
    if (seen.length % 500 === 0) await clock.advance('10s');
    await idle();
  }
  expect(seen).toEqual(Array.from({ length: count }, (_, n) => n));
  expect(last).toBe('completed');
});

test('a message stream that is cancelled ends at once, also while it waits for the run to show something', async () => {
  const { client, idle } = await open(defineApp({ tasks: [shows] }));
  const run = await client.submit(shows, { count: 1 }, { delay: '1h' });
  const reader = run.uiMessageStream().getReader();
  const reading = reader.read();
  await idle();
  await reader.cancel();
  expect(await reading).toEqual({ done: true, value: undefined });
});

test('who leaves the events of a run, or of all, is let go at once, also while nothing happens', async () => {
  const { client, idle } = await open(defineApp({ tasks: [shows] }));
  const run = await client.submit(shows, { count: 1 }, { delay: '1h' });
  for (const events of [run.events(), client.events()]) {
    const stream = ReadableStream.from<unknown>(events);
    const reader = stream.getReader();
    const read = reader.read().then(({ value }) => value);
    await idle();
    const next = reader.read();
    await reader.cancel();
    await Promise.all([read, next]);
  }
});
