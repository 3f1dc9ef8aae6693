// Names and deps, typed by registering the config. A program of its own: what is registered holds for the whole program.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText } from 'ai';
import { defineApp, defineConfig, defineTask } from 'troupe';
import { z } from 'zod';

interface Db {
  insert(table: string, row: object, key: string): Promise<void>;
}
const local = createOpenAICompatible({ name: 'local', baseURL: 'http://127.0.0.1:4010/v1' });
const config = defineConfig({
  pools: { documents: { workers: { min: 2, max: 50 } }, bulk: {} },
  budgets: {
    tier1: { requests: { limit: 600, per: '1m' }, tokens: { limit: 200_000, per: '1m' }, concurrent: 50 },
    crm: {
      requests: [
        { limit: 10, per: '1s' },
        { limit: 5_000, per: '1d' },
      ],
    },
  },
  models: {
    fast: [{ model: local('tiny'), budget: 'tier1', price: { input: 0.25, output: 2 } }],
    smart: [
      { model: local('big'), budget: ['tier1', 'crm'], cache: '7d' },
      { model: local('tiny'), budget: 'tier1' },
    ],
  },
  deps: async (): Promise<{ db: Db; notify: (to: string, text: string) => Promise<void> }> => ({
    db: { insert: async () => {} },
    notify: async () => {},
  }),
});
declare module 'troupe' {
  interface Register {
    config: typeof config;
  }
}

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Equal<A, B>): void => {};

export const publish = defineTask({
  name: 'publish',
  pool: 'documents',
  input: z.object({ text: z.string() }),
  run: async (ctx, { text }) => {
    same<Parameters<typeof ctx.deps.notify>, [to: string, text: string]>(true);
    await ctx.step('insert', ({ idempotencyKey }) => ctx.deps.db.insert('reports', { text }, idempotencyKey));
    await generateText({ model: ctx.model('fast'), prompt: text });
    // @ts-expect-error 'fsat' is no model of this app
    ctx.model('fsat');
    await ctx.permit('crm', async () => 1, { tokens: 5 });
    // @ts-expect-error 'tier2' is no budget of this app
    await ctx.permit('tier2', async () => 1);
    // @ts-expect-error there is no such thing
    await ctx.deps.redis.get('x');
  },
});
// @ts-expect-error 'documnets' is no pool
export const misspelt = defineTask({ name: 'p', pool: 'documnets', input: z.object({}) });
export const synced = defineTask({ name: 'synced', budget: 'crm', input: z.object({}), run: async () => {} });
// @ts-expect-error 'cmr' is no budget of this app
export const unbudgeted = defineTask({ name: 'u', budget: 'cmr', input: z.object({}) });
// the default pool needs no mention
export const plain = defineTask({ name: 'plain', pool: 'default', input: z.object({}) }).run(async () => {});

export default defineApp({ ...config, tasks: [publish, synced, plain] });
