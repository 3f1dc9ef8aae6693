// What Troupe runs here: a task that does nothing, one that says when it began, and one that holds its worker.
import { appendFileSync } from 'node:fs';
import { defineApp, defineTask } from 'troupe';
import { z } from 'zod';

const Text = z.object({ x: z.string() });

export const noop = defineTask({
  name: 'noop',
  pool: 'bar',
  input: Text,
  output: Text,
  run: async (_ctx, { x }) => ({ x: x.slice(0, 100) }),
});

/** `at` is of the clock that all processes of a machine share, in ns. */
export const stamp = defineTask({
  name: 'stamp',
  pool: 'bar',
  input: z.object({ at: z.string(), x: z.string() }),
  output: z.object({ startMs: z.number() }),
  run: async (_ctx, { at }) => ({ startMs: Number(process.hrtime.bigint() - BigInt(at)) / 1e6 }),
});

/** Each start adds a line to the file: process, task, time. */
export const hold = defineTask({
  name: 'hold',
  pool: 'bar',
  input: z.object({ file: z.string() }),
  run: async (ctx, { file }) => {
    appendFileSync(file, `${process.pid} ${ctx.id} ${process.hrtime.bigint()}\n`);
    await new Promise((resolve) => ctx.abortSignal.addEventListener('abort', resolve));
  },
});

export default defineApp({
  tasks: [noop, stamp, hold],
  pools: { bar: { workers: { min: 100, max: 100 } } },
});
