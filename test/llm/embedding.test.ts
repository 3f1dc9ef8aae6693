import { embed, embedMany } from 'ai';
import type {
  EmbeddingModelV2,
  EmbeddingModelV4,
  EmbeddingModelV4CallOptions,
  EmbeddingModelV4Result,
} from '@ai-sdk/provider';
import { APICallError } from '@ai-sdk/provider';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { type Config, defineApp, defineTask, RetryAfterError, type TaskCtx, testRuntime } from '../../src/index.ts';
import { mistakesOf, loose } from '../app/apps.ts';

/** Embeds a text as its length, at a token a character. */
const lengths = (
  values: readonly string[],
  { usage = true }: { readonly usage?: boolean } = {},
): EmbeddingModelV4Result => ({
  embeddings: values.map((value) => [value.length, 0.5]),
  ...(usage && { usage: { tokens: values.join('').length } }),
  warnings: [],
});

const provider = (
  answer: (values: readonly string[], call: EmbeddingModelV4CallOptions) => unknown = (values) => lengths(values),
  most: number | undefined = 100,
) => {
  const asked: (readonly string[])[] = [];
  const model: EmbeddingModelV4 = {
    specificationVersion: 'v4',
    provider: 'test',
    modelId: 'tiny',
    maxEmbeddingsPerCall: most,
    supportsParallelCalls: false,
    doEmbed: async (call) => {
      asked.push(call.values);
      return (await answer(call.values, call)) as EmbeddingModelV4Result; // A provider may say anything.
    },
  };
  return { model, asked };
};

const refusal = (statusCode: number) =>
  new APICallError({ message: 'no', url: '', requestBodyValues: {}, statusCode, isRetryable: statusCode >= 500 });

type Entries = NonNullable<Config<'b'>['embeddings']>[string];

/** An app with a task `embed`, whose input this is given. */
const world = async (
  entries: Entries,
  run: (ctx: TaskCtx, texts: readonly string[]) => Promise<unknown> = async (ctx, texts) =>
    (await embedMany({ model: ctx.embedding('vectors'), values: [...texts] })).embeddings,
) => {
  const task = defineTask({
    name: 'embed',
    input: z.object({ texts: z.array(z.string()) }),
    output: z.unknown(),
    retry: { max: 2, backoff: { first: '1s' } },
    run: async (ctx, { texts }) => (await run(ctx, texts)) ?? null,
  });
  const opened = await testRuntime(
    defineApp({
      pools: { default: { workers: { min: 8, max: 8 } } },
      tasks: [task],
      budgets: { b: { tokens: { limit: 1e6, per: '1m' } } },
      embeddings: { vectors: entries },
    }),
  );
  onTestFinished(() => opened.close());
  const submit = (...texts: readonly string[]) => opened.client.submit(task, { texts: [...texts] });
  return { ...opened, task, submit };
};

test('values are embedded, counted and priced', async () => {
  const { model, asked } = provider();
  const { submit } = await world([{ model, budget: 'b', price: { input: 2 } }]);
  const run = await submit('a', 'bcd');
  expect(await run.result()).toEqual([
    [1, 0.5],
    [3, 0.5],
  ]);
  expect(asked).toEqual([['a', 'bcd']]);
  expect((await run.status()).usage).toEqual({ inputTokens: 4, outputTokens: 0, usd: 0.000008 });
});

test('requests of one moment share a call, and each is given and billed its own', async () => {
  const { model, asked } = provider();
  const { task, client } = await world([{ model, budget: 'b', price: { input: 1 } }], async (ctx, texts) => {
    const each = texts.map((value) => embed({ model: ctx.embedding('vectors'), value }));
    return (await Promise.all(each)).map(({ embedding, usage }) => [embedding[0], usage.tokens]);
  });
  const run = await client.submit(task, { texts: ['a', 'bb', 'cccccc'] });
  const told = z.array(z.tuple([z.number(), z.number()])).parse(await run.result());
  expect(told.map(([length]) => length)).toEqual([1, 2, 6]);
  // Whole tokens, by the size of each and what is sent around it.
  expect(told.reduce((sum, [, tokens]) => sum + tokens, 0)).toBe(9);
  expect(asked).toEqual([['a', 'bb', 'cccccc']]);
  expect((await run.status()).usage).toMatchObject({ inputTokens: 9 });
});

test('no call has more values than the provider takes', async () => {
  const { model, asked } = provider(undefined, 3);
  const { submit } = await world([{ model, budget: 'b' }], async (ctx, texts) => {
    const calls = texts.map((text) => embedMany({ model: ctx.embedding('vectors'), values: [text, `${text}!`] }));
    return (await Promise.all(calls)).flatMap(({ embeddings }) => embeddings.map(([length]) => length));
  });
  expect(await (await submit('a', 'bb')).result()).toEqual([1, 2, 2, 3]);
  expect(asked).toEqual([
    ['a', 'a!'],
    ['bb', 'bb!'],
  ]);
  asked.length = 0;
  expect(
    await (await world([{ model, budget: 'b' }]).then(({ submit: other }) => other('1', '22', '333', '4444'))).result(),
  ).toHaveLength(4);
  expect(asked.map(({ length }) => length)).toEqual([3, 1]);
});

test('those with other settings do not share a call', async () => {
  const { model, asked } = provider();
  const { client, task } = await world([{ model, budget: 'b' }], async (ctx, texts) => {
    const calls = texts.map((value, index) =>
      embed({ model: ctx.embedding('vectors'), value, providerOptions: { test: { size: index } } }),
    );
    return (await Promise.all(calls)).length;
  });
  await (await client.submit(task, { texts: ['a', 'b'] })).result();
  expect(asked).toEqual([['a'], ['b']]);
});

test('a later attempt is given what was recorded, and pays nothing', async () => {
  const { model, asked } = provider();
  let attempts = 0;
  const { submit, clock, idle } = await world([{ model, budget: 'b' }], async (ctx, texts) => {
    const { embeddings } = await embedMany({ model: ctx.embedding('vectors'), values: [...texts] });
    if (++attempts === 1) throw new Error('again');
    return embeddings;
  });
  const run = await submit('a');
  await idle();
  await clock.advance('5s');
  expect(await run.result()).toEqual([[1, 0.5]]);
  expect(asked).toHaveLength(1);
  expect((await run.status()).usage).toMatchObject({ inputTokens: 1 });
});

test('metadata that are no JSON are left out: the embeddings have been paid for', async () => {
  const { model, asked } = provider((values) => ({
    ...lengths(values),
    providerMetadata: { local: { region: 'eu', size: 1n, share: Number.NaN } },
  }));
  const { submit } = await world([{ model, budget: 'b' }], async (ctx, texts) => {
    const { providerMetadata } = await embedMany({ model: ctx.embedding('vectors'), values: [...texts] });
    return providerMetadata;
  });
  expect(await (await submit('a')).result()).toEqual({ local: { region: 'eu', share: null } });
  expect(asked).toHaveLength(1);
});

test('an equal call is answered from the cache, and costs nothing', async () => {
  const { model, asked } = provider();
  const { submit } = await world([{ model, budget: 'b', cache: '1h' }]);
  await (await submit('a')).result();
  const again = await submit('a');
  expect(await again.result()).toEqual([[1, 0.5]]);
  expect(asked).toHaveLength(1);
  expect((await again.status()).usage).toMatchObject({ inputTokens: 0 });
});

test('another provider is asked where one fails', async () => {
  const [broken, sound] = [provider(() => Promise.reject(refusal(503))), provider()];
  const { submit } = await world([
    { model: broken.model, budget: 'b' },
    { model: sound.model, budget: 'b' },
  ]);
  expect(await (await submit('a')).result()).toEqual([[1, 0.5]]);
  expect([broken.asked.length, sound.asked.length]).toEqual([1, 1]);
});

test('a provider’s call that fails is one failure of it, for however many it was made', async () => {
  let broken = true;
  const { model, asked } = provider((values) => {
    if (broken) throw refusal(503);
    return lengths(values);
  });
  const { submit, idle } = await world([{ model, budget: 'b' }], async (ctx, texts) => {
    const each = texts.map((value) => embed({ model: ctx.embedding('vectors'), value, maxRetries: 0 }));
    return (await Promise.allSettled(each)).map(({ status }) => status);
  });
  const six = ['1', '2', '3', '4', '5', '6'];
  expect(new Set(z.array(z.string()).parse(await (await submit(...six)).result()))).toEqual(new Set(['rejected']));
  await idle();
  expect(asked).toHaveLength(1);
  broken = false;
  expect(new Set(z.array(z.string()).parse(await (await submit(...six)).result()))).toEqual(new Set(['fulfilled']));
});

test('an embedding that was forgotten does not come back from the cache', async () => {
  const { model, asked } = provider();
  let attempts = 0;
  const { submit, idle, clock } = await world([{ model, budget: 'b', cache: '1h' }], async (ctx, texts) => {
    const { embeddings } = await embedMany({ model: ctx.embedding('vectors'), values: [...texts] });
    if (++attempts === 1) throw new RetryAfterError('1s', { forget: ['embedding:vectors'] });
    return embeddings;
  });
  const run = await submit('a');
  await idle();
  await clock.advance('2s');
  expect(await run.result()).toEqual([[1, 0.5]]);
  expect(asked).toHaveLength(2);
});

test('nor does one that a redriven task was told to forget', async () => {
  const { model, asked } = provider();
  let well = false;
  const { submit, task, client, idle, clock } = await world(
    [{ model, budget: 'b', cache: '1h' }],
    async (ctx, texts) => {
      const { embeddings } = await embedMany({ model: ctx.embedding('vectors'), values: [...texts] });
      if (!well) throw new Error('found fault with them');
      return embeddings;
    },
  );
  const dead = await submit('a');
  await idle();
  await clock.advance('2s');
  well = true;
  const { id } = await dead.retry({ forget: ['embedding:vectors'] });
  expect(await client.run(task, id).result()).toEqual([[1, 0.5]]);
  expect(asked).toHaveLength(2);
});

test('one that is refused takes no other with it', async () => {
  const { model, asked } = provider((values) => {
    if (values.includes('bad')) throw refusal(400);
    return lengths(values);
  });
  const { submit } = await world([{ model, budget: 'b' }], async (ctx, texts) => {
    const each = texts.map((value) => embed({ model: ctx.embedding('vectors'), value }));
    return (await Promise.allSettled(each)).map(({ status }) => status);
  });
  expect(await (await submit('a', 'bad', 'c')).result()).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(asked).toEqual([['a', 'bad', 'c'], ['a'], ['bad'], ['c']]);
});

test.each([
  ['too few', () => ({ embeddings: [], warnings: [] })],
  ['no numbers', (values: readonly string[]) => ({ embeddings: values.map(() => [Number.NaN]), warnings: [] })],
  ['empty ones', (values: readonly string[]) => ({ embeddings: values.map(() => []), warnings: [] })],
  [
    'a million numbers',
    (values: readonly string[]) => ({ embeddings: values.map(() => Array(1e6).fill(0)), warnings: [] }),
  ],
])('an answer with %s is none', async (_, answer) => {
  const { model } = provider(answer);
  const { submit, idle } = await world([{ model, budget: 'b' }]);
  const run = await submit('a');
  await idle();
  expect(await run.status()).toMatchObject({ status: 'waiting', error: { code: 'model_unavailable' } });
});

test('a provider that never answers is given up after the timeout', async () => {
  const { model } = provider(() => new Promise(() => {}));
  const { submit, clock, idle } = await world([{ model, budget: 'b' }], async (ctx) =>
    embed({ model: ctx.embedding('vectors', { timeout: '2s' }), value: 'a' }),
  );
  const run = await submit('a');
  await idle();
  await clock.advance('2s');
  await idle();
  expect(await run.status()).toMatchObject({ error: { code: 'model_unavailable' } });
});

test('a call is stopped when nobody waits for it any more, and no sooner', async () => {
  const seen: string[] = [];
  const begun = Promise.withResolvers<void>();
  const { model } = provider((_values, { abortSignal }) => {
    abortSignal?.addEventListener('abort', () => seen.push('stopped'));
    begun.resolve();
    return new Promise(() => {});
  });
  const { submit } = await world([{ model, budget: 'b' }], async (ctx, texts) => {
    const lives = texts.map(() => new AbortController());
    const calls = lives.map(({ signal }, index) =>
      embed({ model: ctx.embedding('vectors'), value: `text ${index}`, abortSignal: signal, maxRetries: 0 }),
    );
    await begun.promise;
    for (const [index, life] of lives.entries()) {
      life.abort(new Error('enough'));
      await expect(calls[index]).rejects.toThrow('enough');
      seen.push('left');
    }
  });
  await (await submit('a', 'bb')).result();
  expect(seen).toEqual(['left', 'stopped', 'left']);
});

test('models of older specifications work', async () => {
  const model: EmbeddingModelV2<string> = {
    specificationVersion: 'v2',
    provider: 'test',
    modelId: 'old',
    maxEmbeddingsPerCall: undefined,
    supportsParallelCalls: false,
    doEmbed: async ({ values }) => ({ embeddings: values.map(() => [1]) }),
  };
  const { submit } = await world([{ model, budget: 'b' }]);
  const run = await submit('a');
  expect(await run.result()).toEqual([[1]]);
  expect((await run.status()).usage).toMatchObject({ inputTokens: 0 });
});

test('a name that is none is said, with the one that was probably meant', async () => {
  const { model } = provider();
  const { submit, idle } = await world([{ model, budget: 'b' }], async (ctx) => ctx.embedding('vectosr').modelId);
  const run = await submit('a');
  await idle();
  expect(await run.status()).toMatchObject({
    status: 'failed',
    error: { message: 'there is no embedding "vectosr"; did you mean "vectors"?' },
  });
});

test.each([
  [[], 'embeddings.e: an empty list; give one entry at least: { model, budget }'],
  [
    [{ model: 'ada', budget: 'b' }],
    `embeddings.e: 0.model: "ada" is a name; give the provider's model object, such as openai.embedding("ada")`,
  ],
  [[{ model: provider().model, budget: 'c' }], 'embeddings.e: 0.budget: there is no budget "c"; did you mean "b"?'],
])('an entry of embeddings is checked at boot: %j', (entries, told) => {
  const budgets = { b: { concurrent: 1 } };
  expect(mistakesOf(loose({ budgets, embeddings: { e: entries } }))).toEqual([told]);
});
