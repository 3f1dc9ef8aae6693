// Names and deps, typed by registering the config. A program of its own: what is registered holds for the whole program.
import { defineApp, defineConfig, defineTask } from 'troupe';
import { z } from 'zod';

interface Db {
  insert(table: string, row: object, key: string): Promise<void>;
}
const config = defineConfig({
  pools: { documents: { workers: { min: 2, max: 50 } }, bulk: {} },
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
    // @ts-expect-error there is no such thing
    await ctx.deps.redis.get('x');
  },
});
// @ts-expect-error 'documnets' is no pool
export const misspelt = defineTask({ name: 'p', pool: 'documnets', input: z.object({}) });
// the default pool needs no mention
export const plain = defineTask({ name: 'plain', pool: 'default', input: z.object({}) }).run(async () => {});

export default defineApp({ ...config, tasks: [publish, plain] });
