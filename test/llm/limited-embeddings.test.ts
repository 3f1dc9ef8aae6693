import { createServer } from 'node:http';
import { json } from 'node:stream/consumers';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embed } from 'ai';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { type Config, defineApp, defineTask, modelFetch } from '../../src/index.ts';
import { limitedWorld } from './limited-world.ts';
import { portOf } from './port.ts';

const request = z.object({ input: z.array(z.string()) });

/** A provider of embeddings, which counts a token for every 7 characters: less than anybody would reserve. */
const provider = async () => {
  const arrivals: { readonly atMs: number; readonly tokens: number }[] = [];
  const server = createServer((incoming, response) => {
    const atMs = performance.now();
    void json(incoming).then((body) => {
      const { input } = request.parse(body);
      const tokens = Math.ceil(input.join('').length / 7);
      arrivals.push({ atMs, tokens });
      const data = input.map((text) => ({ embedding: [text.length, 1] }));
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ data, usage: { prompt_tokens: tokens } }));
    });
  });
  const port = await portOf(server);
  const baseURL = `http://127.0.0.1:${port}/v1`;
  const model = createOpenAICompatible({ name: 'local', baseURL, apiKey: 'none', fetch: modelFetch }).embeddingModel(
    'vectors',
  );
  return { model, arrivals };
};

type Arrivals = Awaited<ReturnType<typeof provider>>['arrivals'];

/** The most of it in any window of this length, wherever it begins. */
const most = (arrivals: Arrivals, perMs: number, of: (arrival: Arrivals[number]) => number): number => {
  const inOrder = arrivals.toSorted((a, b) => a.atMs - b.atMs);
  let [from, sum, peak] = [0, 0, 0];
  for (const arrival of inOrder) {
    sum += of(arrival);
    for (let first = inOrder[from]; first && first.atMs <= arrival.atMs - perMs; first = inOrder[from]) {
      sum -= of(first);
      from += 1;
    }
    peak = Math.max(peak, sum);
  }
  return peak;
};

const setup = async (budget: NonNullable<Config<'b'>['budgets']>['b']) => {
  const { model, arrivals } = await provider();
  const vector = defineTask({
    name: 'vector',
    input: z.object({ text: z.string() }),
    output: z.array(z.number()),
    // Of tenants of their own: else they would share a call.
    tenant: ({ text }) => text.slice(0, 10),
    run: async (ctx, { text }) => (await embed({ model: ctx.embedding('vectors'), value: text })).embedding,
  });
  const app = defineApp({
    tasks: [vector],
    pools: { default: { workers: { min: 20, max: 20 } } },
    budgets: { b: budget },
    embeddings: { vectors: [{ model, budget: 'b' }] },
  });
  const opened = await limitedWorld(app);
  const all = async (texts: readonly string[]): Promise<readonly unknown[]> => {
    const runs = await Promise.all(texts.map((text) => opened.producer.submit(vector, { text })));
    return Promise.all(runs.map((run) => run.result()));
  };
  return { ...opened, all, arrivals };
};

const texts = (count: number, more = ''): readonly string[] =>
  Array.from({ length: count }, (_, n) => `${String(n).padStart(10, 'n')}${more}`);

test('embeddings take permits of their budget, and no window sees more requests than it allows', async () => {
  const { all, arrivals, metrics } = await setup({ requests: { limit: 20, per: '4s' } });
  expect(await all(texts(40))).toEqual(texts(40).map(({ length }) => [length, 1]));
  expect(arrivals).toHaveLength(40);
  expect(most(arrivals, 4_000, () => 1)).toBeLessThanOrEqual(20);
  const text = await metrics.text();
  // And some more that came too late to be used, and were returned.
  expect(Number(/troupe_limiter_grants_total{budget="b"} (\d+)/.exec(text)?.[1])).toBeGreaterThanOrEqual(40);
  expect(text).not.toMatch(/troupe_limiter_unchecked_total.* [1-9]/);
}, 30_000);

test('nor more tokens', async () => {
  const { all, arrivals } = await setup({ tokens: { limit: 2_000, per: '4s' } });
  await all(texts(30, ' word'.repeat(100)));
  expect(arrivals).toHaveLength(30);
  expect(arrivals.reduce((sum, { tokens }) => sum + tokens, 0)).toBeGreaterThan(2_000);
  expect(most(arrivals, 4_000, ({ tokens }) => tokens)).toBeLessThanOrEqual(2_000);
}, 30_000);

test('what was reserved is settled with what the provider counted', async () => {
  const { all, arrivals, statusOf } = await setup({ tokens: { limit: 100_000, per: '1m' }, concurrent: 4 });
  await all(texts(10, ' word'.repeat(20)));
  const used = arrivals.reduce((sum, { tokens }) => sum + tokens, 0);
  await expect
    .poll(() => statusOf('b'), { timeout: 10_000 })
    .toMatchObject({ active: 0, unconfirmed: 0, windows: [{ unit: 'tokens', used }] });
});
