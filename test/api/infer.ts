// What must infer, and what must not compile.
import { type Client, defineApp, defineConfig, defineTask, type Jsonified, type Run, schedule } from 'troupe';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embed, generateText, streamText, tool } from 'ai';
import * as v from 'valibot';
import { z } from 'zod';
import type app from './documents.ts';
import { type crawler, report, summarise } from './documents.ts';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Equal<A, B>): void => {};

// submit infers the wire form of the input (defaults optional) and the parsed form of the output
export const checkClient = async (client: Client<typeof app>): Promise<void> => {
  const run = await client.submit(summarise, { url: 'https://a.b' });
  same<Awaited<ReturnType<typeof run.result>>, { title: string; points: string[] }>(true);
  // @ts-expect-error words is a number
  await client.submit(summarise, { url: 'https://a.b', words: '3' });
  // @ts-expect-error url is missing
  await client.submit(summarise, {});
  // @ts-expect-error 'urgent' is no lane
  await client.submit(summarise, { url: 'https://a.b' }, { lane: 'urgent' });

  // by name, as from a type-only import
  const byName = await client.submit('report', { topic: 't', urls: [], approver: 'a@b.c' });
  same<Awaited<ReturnType<typeof byName.result>>['status'], 'published' | 'rejected' | 'expired'>(true);
  same<(typeof byName)['id'], string>(true);
  // @ts-expect-error no such task
  await client.submit('reprot', {});
  // @ts-expect-error approver is missing
  await client.submit('report', { topic: 't', urls: [] });
  const crawled = await client.run('crawl', 'x').result();
  same<typeof crawled, { pages: number }>(true);
  same<Awaited<ReturnType<ReturnType<typeof client.run<typeof crawler>>['result']>>, { pages: number }>(true);

  // events carry the task's own progress and output
  for await (const event of client.run('report', 'x').events()) {
    if (event.type === 'progress') same<typeof event.value.stage, 'reading' | 'writing' | 'approval'>(true);
    if (event.type === 'completed') same<typeof event.output.failed, number>(true);
    // @ts-expect-error only progress has a value
    void event.value;
  }
  for await (const event of client.events({ type: 'report' })) if (event.type === 'failed') event.error.at(0);

  await client.submitMany(summarise, [{ input: { url: 'https://a.b' }, id: '1' }]);
  // @ts-expect-error an item has an input
  await client.submitMany(summarise, [{ id: '1' }]);
  await client.submitMany('summarise', [{ input: { url: 'https://a.b' }, lane: 'low' }]);
  // @ts-expect-error by its name too
  await client.submitMany('summarise', [{ input: { uri: 'https://a.b' } }]);
  // @ts-expect-error and by no other
  await client.submitMany('sumarise', []);
  const state = await run.status();
  same<typeof state.output, { title: string; points: string[] } | undefined>(true);
  same<Awaited<ReturnType<typeof run.retry>>, { readonly id: string }>(true);
};

// a client without an app takes any name, and answers with what it cannot know
export const checkUntyped = async (client: Client): Promise<void> => {
  const run = await client.submit('anything', { at: 'all' });
  await run.cancel('no longer wanted');
  await client.submitMany('anything', [{ input: { at: 'all' } }]);
  const typed = await client.submit(report, { topic: 't', urls: [], approver: 'a@b.c' });
  same<Awaited<ReturnType<typeof typed.result>>['failed'], number>(true);
};

// a step is JSON on its first attempt too
same<Jsonified<{ at: Date; xs: Set<number>; f(): void; n?: number }>, { at: string; xs: {}; n?: number }>(true);
same<Jsonified<string[]>, string[]>(true);
same<Jsonified<{ a: 'x' | 'y'; t: [number, Date] }>, { a: 'x' | 'y'; t: [number, string] }>(true);
same<Jsonified<void>, void>(true);
same<Jsonified<unknown>, unknown>(true);

export const t = defineTask({
  name: 'm',
  input: z.object({ n: z.coerce.number() }),
  output: z.object({ label: z.enum(['a', 'b']) }),
  run: async (ctx, { n }) => {
    const when = await ctx.step('now', () => ({ at: new Date() }));
    same<typeof when, { at: string }>(true);
    n.toFixed();
    const tools = ctx.tools({
      find: tool({ inputSchema: z.object({ q: z.string() }), execute: async ({ q }) => ({ found: q }) }),
    });
    same<Parameters<typeof tools.find.execute>[0], { q: string }>(true);
    await ctx.stream(streamText({ model: ctx.model('fast'), tools, prompt: 'hi' }));
    // @ts-expect-error a text is no stream
    await ctx.stream('hi');
    const { embedding } = await embed({ model: ctx.embedding('vectors', { cache: '1d' }), value: 'hi' });
    same<typeof embedding, number[]>(true);
    const { text } = await generateText({ model: ctx.model('fast', { maxWait: '5s', cache: '1h' }), prompt: 'hi' });
    same<typeof text, string>(true);
    same<Awaited<ReturnType<typeof ctx.permit<number>>>, number>(true);
    // @ts-expect-error not a duration
    ctx.model('fast', { maxWait: '5 seconds' });
    // @ts-expect-error suspension is not there yet
    ctx.sleep('1s');
    ctx.progress({ any: 'thing' });
    const child = await ctx.submit(summarise, { url: 'https://a.b' }, { delay: '1h' });
    same<typeof child.id, string>(true);
    // @ts-expect-error url is missing
    await ctx.submit(summarise, {});
    return n > 0 ? { label: 'a' } : { label: 'b' };
  },
});
export const bad = defineTask({
  name: 'bad',
  input: z.object({}),
  output: z.object({ label: z.enum(['a', 'b']) }),
  // @ts-expect-error 'c' is no label
  run: async () => ({ label: 'c' }),
});
// @ts-expect-error a promise is missing
export const sync = defineTask({ name: 'sync', input: z.object({}), run: () => {} });
// @ts-expect-error id gives a string
export const badId = defineTask({ name: 'id', input: z.object({ n: z.number() }), id: ({ n }) => n });
// @ts-expect-error n is a number by then
export const badKey = defineTask({ name: 'key', input: z.object({ n: z.coerce.number() }), key: ({ n }) => n.trim() });
// any budget where no config is registered, with either form; one only
export const limited = defineTask({ name: 'limited', input: z.object({}), budget: 'crm' }).run(async () => {});
// @ts-expect-error a task has one budget
export const twice = defineTask({ name: 'twice', input: z.object({}), budget: ['crm', 'erp'] });
// @ts-expect-error not a duration
export const d = defineTask({ name: 'd', input: z.object({}), timeout: '5 minutes' });
export const badRun = defineTask({ name: 'r', input: z.object({}), output: z.object({ n: z.number() }) }).run(
  // @ts-expect-error handlers give what the output schema takes
  async () => ({ n: '1' }),
);

// no output schema: no result
export const none = defineTask({
  name: 'none',
  input: z.object({}),
  run: async (ctx) => {
    ctx.log.info('x');
  },
});
same<Awaited<ReturnType<typeof none.run>> extends never ? 1 : 0, 0>(true);

// a transform is undone by nobody: the run's result is what JSON keeps of the output
export const dated = defineTask({
  name: 'dated',
  input: z.object({}),
  output: z.object({ at: z.date() }),
  run: async () => ({ at: new Date() }),
});
export const checkDated = async (client: Client): Promise<void> => {
  const { at } = await (await client.submit(dated, {})).result();
  same<typeof at, string>(true);
};

// a batch: the parsed input, the wire form of the output, and no more than a batch can do
export const batched = defineTask({
  name: 'batched',
  input: z.object({ text: z.string(), at: z.coerce.date().optional() }),
  output: z.object({ length: z.number().default(0) }),
}).runBatch({ size: 100, wait: '20ms' }, async (ctx, items) => {
  // @ts-expect-error a batch has no steps
  await ctx.step('x', () => 1);
  for (const item of items) {
    same<typeof item.input, { text: string; at?: Date | undefined }>(true);
    if (item.attempt > 1) item.fail(new Error('again'));
    // @ts-expect-error length is a number
    item.complete({ length: '1' });
    item.complete({});
  }
});
// @ts-expect-error a batch has a size
export const sizeless = defineTask({ name: 'sizeless', input: z.object({}) }).runBatch({}, async () => {});
export const checkBatched = async (client: Client): Promise<void> => {
  same<Awaited<ReturnType<Awaited<ReturnType<typeof client.submit<typeof batched>>>['result']>>, { length: number }>(
    true,
  );
};

// another Standard Schema library
export const vt = defineTask({
  name: 'vt',
  input: v.object({ q: v.optional(v.string(), 'x') }),
  output: v.object({ n: v.number() }),
  run: async (_ctx, { q }) => ({ n: q.length }),
});
export const checkValibot = async (client: Client): Promise<void> => {
  const run: Run<typeof vt extends { output?: infer O } ? (O extends undefined ? never : NonNullable<O>) : never> =
    await client.submit(vt, {});
  same<Awaited<ReturnType<typeof run.result>>['n'], number>(true);
};

// configuration
schedule(summarise, { name: 's', cron: '0 2 * * *', input: { url: 'x' } });
schedule(summarise, { name: 's', cron: { every: '10s' }, input: { url: 'x' } });
// @ts-expect-error url is missing
schedule(summarise, { name: 's', cron: '0 2 * * *', input: {} });
// @ts-expect-error 'turbo' is no lane
defineApp({ tasks: [], pools: { x: { lanes: { turbo: { weight: 3 } } } } });
// @ts-expect-error partitions are for hash pools
defineApp({ tasks: [], pools: { x: { distribution: 'pull', partitions: 3 } } });
const tiny = createOpenAICompatible({ name: 'local', baseURL: 'http://127.0.0.1:4010/v1' })('tiny');
defineApp({
  tasks: [],
  budgets: { a: { requests: { limit: 1, per: '1s' } } },
  models: { m: [{ model: tiny, budget: ['a'], price: { input: 1 } }] },
});
// @ts-expect-error no such budget
defineApp({ tasks: [], budgets: { a: {} }, models: { m: [{ model: tiny, budget: 'b' }] } });
// @ts-expect-error a model is an object
defineApp({ tasks: [], budgets: { a: {} }, models: { m: [{ model: 'gpt-5-mini', budget: 'a' }] } });
// @ts-expect-error an amount without a window
defineApp({ tasks: [], budgets: { a: { requests: 5 } } });
// @ts-expect-error 'urgent' is no lane
defineConfig({ classify: [{ when: ({ bytes }) => bytes > 10, lane: 'urgent' }] });
const config = defineConfig({ pools: { a: {}, b: { workers: { max: 3 } } }, deps: async () => ({ n: 1 }) });
same<keyof typeof config.pools, 'a' | 'b'>(true);
export const configured = defineApp({ ...config, tasks: [t, none] });
same<(typeof configured)['tasks'][number]['name'], 'm' | 'none'>(true);

// everything a complete app may write down before the rest is there
export default defineApp({
  tasks: [t],
  agents: [],
  pools: { bar: { distribution: 'pull', workers: { min: 8, max: 8 } } },
  budgets: {},
  models: {},
});
