/** The app of docs/nats-cli.md: one task that goes well, one that stumbles, one that never can, one that takes its time. */
import { setTimeout as wait } from 'node:timers/promises';
import { defineApp, defineTask, NonRetryableError, schedule } from 'troupe';
import { z } from 'zod';

/** Two steps, and something to see on the way. */
const summarise = defineTask({
  name: 'summarise',
  input: z.object({ text: z.string().min(1) }),
  output: z.object({ title: z.string(), words: z.number() }),
  progress: z.object({ stage: z.string() }),
  run: async (ctx, { text }) => {
    ctx.progress({ stage: 'reading' });
    const words = await ctx.step('count', () => text.split(/\s+/).length);
    ctx.progress({ stage: 'writing' });
    const title = await ctx.step('title', () => text.slice(0, 20));
    return { title, words };
  },
});

/** Its first attempt fails; the step it took is not taken again. */
const lookup = defineTask({
  name: 'lookup',
  retry: { max: 3, backoff: { first: '250ms' } },
  input: z.object({ host: z.string() }),
  output: z.object({ host: z.string(), attempts: z.number() }),
  run: async (ctx, { host }) => {
    await ctx.step('resolve', () => `${host}.example`);
    if (ctx.attempt === 1) throw new Error('connection reset');
    return { host, attempts: ctx.attempt };
  },
});

/** Given up after two attempts, unless the card has been topped up; refused at once where there is none. */
const charge = defineTask({
  name: 'charge',
  retry: { max: 2, backoff: { first: '100ms' } },
  input: z.object({ card: z.string(), cents: z.int() }),
  output: z.object({ receipt: z.string() }),
  run: async (ctx, { card, cents }) => {
    if (card === '') throw new NonRetryableError('there is no card');
    await ctx.step('reserve', () => cents);
    throw new Error('card declined');
  },
});

/** One worker of its own, so that a queue forms behind it. */
const render = defineTask({
  name: 'render',
  pool: 'studio',
  timeout: '5m',
  input: z.object({ scene: z.string(), seconds: z.number().max(300) }),
  output: z.object({ scene: z.string() }),
  run: async (ctx, { scene, seconds }) => {
    ctx.progress({ scene });
    await wait(seconds * 1_000, undefined, { signal: ctx.abortSignal });
    return { scene };
  },
});

const nightly = schedule(summarise, {
  name: 'nightly',
  cron: '30 2 * * *',
  timezone: 'Europe/Berlin',
  input: { text: 'what happened today' },
});

export default defineApp({
  tasks: [summarise, lookup, charge, render],
  schedules: [nightly],
  pools: { studio: { workers: { min: 1, max: 1 } } },
});
