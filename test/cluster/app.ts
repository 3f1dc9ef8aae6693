// What the nodes of these tests run: tasks that tell the ledger of everything they do, and wait while it holds them.
import { defineApp, defineTask } from 'troupe';
import { z } from 'zod';

const visit = async (what: string): Promise<void> => {
  const { ok } = await fetch(`${process.env['LEDGER_URL']}/${what}`, { method: 'POST' });
  if (!ok) throw new Error(`the ledger refuses ${what}`);
};

/** Two steps, and between them something that is none. */
export const job = defineTask({
  name: 'job',
  pool: 'jobs',
  timeout: '1m',
  input: z.object({ n: z.int() }),
  output: z.object({ n: z.int() }),
  run: async (ctx, { n }) => {
    await ctx.step('one', () => visit(`${ctx.id}.one`));
    await visit(`${ctx.id}.between`);
    await ctx.step('two', () => visit(`${ctx.id}.two`));
    return { n };
  },
});

/** Leaves behind a promise that is rejected. */
export const careless = defineTask({
  name: 'careless',
  pool: 'jobs',
  input: z.null(),
  run: async () => {
    void Promise.reject(new Error('left behind'));
  },
});

/** Throws where nobody can catch it, as long as it runs. */
export const reckless = defineTask({
  name: 'reckless',
  pool: 'jobs',
  retry: { max: 1 },
  input: z.null(),
  run: async () => {
    setInterval(() => {
      throw new Error('thrown in a timer');
    }, 10);
    await new Promise(() => {});
  },
});

export default defineApp({ tasks: [job, careless, reckless], pools: { jobs: { workers: { min: 10, max: 40 } } } });
