import { APICallError, type LanguageModelV2 } from '@ai-sdk/provider';
import { generateText, streamText } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { expect, test } from 'vitest';
import { LimiterTimeoutError, NonRetryableError } from '../../src/kernel/errors.ts';
import { entryOf, layerWorld } from './layer-world.ts';
import { said, spoken } from './models-world.ts';
import { notedPermits } from './permits.ts';

const answering = (text = 'fine', modelId = 'm') =>
  new MockLanguageModelV4({ modelId, doGenerate: async () => said(text) });
const prompt = 'hello there';
const settleAll = () => new Promise((resolve) => setImmediate(resolve));

test('a call reserves its estimate and what may come out, and settles what was used', async () => {
  const noted = notedPermits();
  const { attempt } = await layerWorld([entryOf(answering())], noted);
  await generateText({ model: (await attempt()).model({ timeoutMs: 5_000 }), prompt, maxOutputTokens: 100 });
  const [permit] = noted.granted;
  expect(permit?.wanted).toMatchObject({ lane: 'normal', tenant: 'acme', holdMs: 5_000 });
  const { requests, inputTokens, outputTokens, tokens } = permit?.wanted.amount ?? {};
  expect({ requests, outputTokens }).toEqual({ requests: 1, outputTokens: 100 });
  expect(inputTokens).toBeGreaterThan(4);
  expect(tokens).toBe((inputTokens ?? 0) + 100);
  expect(permit?.settled).toEqual({ requests: 1, tokens: 15, inputTokens: 10, outputTokens: 5 });
});

test('without a bound on the output 4,096 tokens of it are reserved', async () => {
  const noted = notedPermits();
  const { attempt } = await layerWorld([entryOf(answering())], noted);
  await generateText({ model: (await attempt()).model(), prompt });
  expect(noted.granted[0]?.wanted.amount.outputTokens).toBe(4_096);
});

test.each([0, -1, Number.NaN, 1e12])(
  'a bound on the output of %d is refused before anything is asked for',
  async (bound) => {
    const noted = notedPermits();
    const { attempt } = await layerWorld([entryOf(answering())], noted);
    const call = (await attempt()).model().doGenerate({ prompt: [], maxOutputTokens: bound });
    await expect(call).rejects.toThrow(NonRetryableError);
    expect(noted.granted).toEqual([]);
  },
);

test('a replay asks for no permit', async () => {
  const noted = notedPermits();
  const { attempt } = await layerWorld([entryOf(answering())], noted);
  for (const _ of [1, 2]) await generateText({ model: (await attempt()).model(), prompt });
  expect(noted.granted).toHaveLength(1);
});

test('several budgets must have room at the same moment: what came too late is returned unsent, and asked for again', async () => {
  const noted = notedPermits({ hold: true });
  const model = answering();
  const { attempt } = await layerWorld([entryOf(model, 'org', 'model')], noted);
  const call = generateText({ model: (await attempt()).model(), prompt });
  await expect.poll(() => noted.waiting.length).toBe(2);
  noted.waiting[0]?.grant(false);
  noted.waiting[1]?.grant();
  await expect.poll(() => noted.waiting.length).toBe(3);
  expect(model.doGenerateCalls).toHaveLength(0);
  noted.waiting[2]?.grant();
  await call;
  expect(noted.granted.map(({ budget, fate }) => `${budget}: ${fate.join(' ')}`)).toEqual([
    'org: unsent',
    'model: begun settled',
    'org: begun settled',
  ]);
});

test('a transport that is not seen at the wire is known after its first call: then its calls count as sent when they begin', async () => {
  const noted = notedPermits();
  const fates: string[] = [];
  const model = new MockLanguageModelV4({
    doGenerate: async () => {
      fates.push(noted.granted.at(-1)?.fate.join(' ') ?? '');
      return said('fine');
    },
  });
  const { attempt } = await layerWorld([entryOf(model)], noted);
  const asked = (await attempt()).model();
  for (const each of ['one', 'two']) await generateText({ model: asked, prompt: each });
  expect(fates).toEqual(['begun', 'sent']);
});

test('a wait that is over is the limiter’s, and one that the task’s deadline ended is the deadline’s', async () => {
  const noted = notedPermits({ hold: true });
  const refuse = async (deadlineMs?: number) => {
    const { attempt, clock } = await layerWorld([entryOf(answering())], noted, deadlineMs ? { deadlineMs } : {});
    const call = (await attempt()).model({ maxWaitMs: 2_000 }).doGenerate({ prompt: [] });
    const caught = Promise.resolve(call).catch((error: unknown) => error);
    await expect.poll(() => noted.waiting.length).toBeGreaterThan(0);
    await clock.advance(deadlineMs ?? 2_000);
    noted.waiting.pop()?.refuse(new LimiterTimeoutError('no permit'));
    return caught;
  };
  expect(await refuse()).toMatchObject({ code: 'limiter_timeout' });
  expect(await refuse(1_000)).toMatchObject({ code: 'deadline_exceeded' });
});

test('waiting for a permit is not charged to the provider', async () => {
  const noted = notedPermits({ hold: true });
  const { attempt, clock } = await layerWorld([entryOf(answering())], noted);
  const call = generateText({ model: (await attempt()).model({ timeoutMs: 1_000 }), prompt });
  await expect.poll(() => noted.waiting.length).toBe(1);
  await clock.advance(60_000);
  noted.waiting[0]?.grant();
  expect((await call).text).toBe('fine');
});

test('the provider with room goes first, in time before late, then in order', async () => {
  const noted = notedPermits({ waits: { busy: 5_000, slow: 300, fine: 100, free: 0 } });
  const which = async (...budgets: readonly string[]) => {
    const entries = budgets.map((budget) => entryOf(answering(budget, budget), budget));
    const { attempt } = await layerWorld(entries, noted);
    return (await generateText({ model: (await attempt()).model(), prompt })).text;
  };
  expect(await which('busy', 'slow')).toBe('slow');
  expect(await which('fine', 'free')).toBe('fine');
  expect(await which('slow', 'fine')).toBe('fine');
});

test('a budget that never allows so much leaves the call to the next provider', async () => {
  const noted = notedPermits({ hold: true });
  const { attempt } = await layerWorld([entryOf(answering('a'), 'small'), entryOf(answering('b'), 'large')], noted);
  const call = generateText({ model: (await attempt()).model(), prompt });
  await expect.poll(() => noted.waiting.length).toBe(1);
  noted.waiting[0]?.refuse(new NonRetryableError('larger than the whole budget'));
  await expect.poll(() => noted.waiting.length).toBe(2);
  noted.waiting[1]?.grant();
  expect((await call).text).toBe('b');
});

test('a provider that is busy closes its budgets for as long as it says', async () => {
  const noted = notedPermits();
  const error = new APICallError({
    message: 'busy',
    url: '',
    requestBodyValues: {},
    statusCode: 429,
    responseHeaders: { 'retry-after-ms': '1500' },
  });
  const busy = new MockLanguageModelV4({ doGenerate: () => Promise.reject(error) });
  const { attempt } = await layerWorld([entryOf(busy, 'org', 'model')], noted);
  const call = generateText({ model: (await attempt()).model(), prompt });
  await expect(call).rejects.toMatchObject({ code: 'retry_after', afterMs: 1_500 });
  expect(noted.penalties).toEqual([
    ['org', 1_500],
    ['model', 1_500],
  ]);
  expect(busy.doGenerateCalls).toHaveLength(1);
});

test('an older specification is a model like any other', async () => {
  const old: LanguageModelV2 = {
    specificationVersion: 'v2',
    provider: 'old',
    modelId: 'm',
    supportedUrls: {},
    doStream: () => Promise.reject(new Error('not asked for')),
    doGenerate: async () => ({
      content: [{ type: 'text', text: 'old' }],
      finishReason: 'stop',
      usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7 },
      warnings: [],
    }),
  };
  const { attempt, recordOf } = await layerWorld([entryOf(old)], notedPermits());
  for (const _ of [1, 2]) expect((await generateText({ model: (await attempt()).model(), prompt })).text).toBe('old');
  expect((await recordOf())?.usage).toEqual({ inputTokens: 3, outputTokens: 4, usd: 0.000011 });
});

test('bytes, addresses and dates come back from the record as they were', async () => {
  const bytes = new Uint8Array([1, 2, 250]);
  const model = new MockLanguageModelV4({
    doGenerate: async () => ({
      ...said('see'),
      content: [
        { type: 'text', text: 'see' },
        { type: 'file', mediaType: 'image/png', data: { type: 'data', data: bytes } },
        { type: 'file', mediaType: 'image/png', data: { type: 'url', url: new URL('https://a.b/c') } },
        { type: 'source', sourceType: 'url', id: 's', url: 'https://a.b', providerMetadata: { p: { n: 1 } } },
      ],
      providerMetadata: { p: { cached: 3 } },
      response: {
        id: 'r',
        modelId: 'm-1',
        timestamp: new Date(5),
        headers: { 'x-request-id': 'req' },
        body: { all: 1 },
      },
    }),
  });
  const { attempt, recordOf } = await layerWorld([entryOf(model)], notedPermits());
  const first = await (await attempt()).model().doGenerate({ prompt: [] });
  expect(await (await attempt()).model().doGenerate({ prompt: [] })).toEqual(first);
  expect(first.content[1]).toMatchObject({ data: { data: Buffer.from(bytes).toString('base64') } });
  expect(first.content[2]).toMatchObject({ data: { url: new URL('https://a.b/c') } });
  expect(first.response).toEqual({ id: 'r', modelId: 'm-1', timestamp: new Date(5) });
  expect((await recordOf())?.steps[0]).toMatchObject({
    name: 'model:fast',
    result: { requestId: 'req', by: 'mock-provider/mock-model-id' },
  });
});

test('equal calls are told apart by how many came before, and one that failed makes room', async () => {
  const answers = [new Error('down'), 'a', 'b', 'c'];
  const model = new MockLanguageModelV4({
    doGenerate: async () => {
      const next = answers.shift() ?? 'd';
      if (next instanceof Error) throw next;
      return said(next);
    },
  });
  const { attempt } = await layerWorld([entryOf(model)], notedPermits());
  const three = async () => {
    const asked = (await attempt()).model();
    const texts: string[] = [];
    for (let n = 0; texts.length < 3 && n < 5; n += 1)
      await generateText({ model: asked, prompt }).then(
        ({ text }) => void texts.push(text),
        () => {},
      );
    return texts;
  };
  expect(await three()).toEqual(['a', 'b', 'c']);
  expect(await three()).toEqual(['a', 'b', 'c']);
  expect(model.doGenerateCalls).toHaveLength(4);
});

test('a request carries a key that is the same on every attempt', async () => {
  const model = new MockLanguageModelV4({ doGenerate: () => Promise.reject(new Error('down')) });
  const { attempt } = await layerWorld([entryOf(model)], notedPermits());
  for (const _ of [1, 2])
    await expect(generateText({ model: (await attempt()).model(), prompt })).rejects.toThrow('down');
  const keys = model.doGenerateCalls.map(({ headers }) => headers?.['idempotency-key']);
  expect(keys[0]).toMatch(/^t\.a:[\w-]{43}$/);
  expect(keys[1]).toBe(keys[0]);
});

test('a stream that has begun is written down with its request, and taken out once it is recorded', async () => {
  const parts = spoken('to', ' be');
  let go = (): void => {};
  const model = new MockLanguageModelV4({
    doStream: async () => ({
      response: { headers: { 'x-request-id': 'req-7' } },
      stream: new ReadableStream({
        start: (controller) => {
          for (const part of parts.slice(0, 4)) controller.enqueue(part);
          go = () => {
            for (const part of parts.slice(4)) controller.enqueue(part);
            controller.close();
          };
        },
      }),
    }),
  });
  const { attempt, recordOf } = await layerWorld([entryOf(model)], notedPermits());
  const { textStream } = streamText({ model: (await attempt()).model(), prompt });
  const reader = textStream[Symbol.asyncIterator]();
  expect((await reader.next()).value).toBe('to');
  await expect.poll(async () => (await recordOf())?.calls).toMatchObject([{ name: 'model:fast', requestId: 'req-7' }]);
  go();
  while (!(await reader.next()).done);
  await settleAll();
  expect(await recordOf()).toMatchObject({
    calls: [],
    steps: [{ name: 'model:fast', result: { requestId: 'req-7' } }],
  });
});

test('aborting the call aborts the provider, and is no failure of it', async () => {
  const model = new MockLanguageModelV4({ doGenerate: () => new Promise(() => {}) });
  const { attempt } = await layerWorld([entryOf(model), entryOf(answering())], notedPermits());
  const own = new AbortController();
  const call = (await attempt()).model().doGenerate({ prompt: [], abortSignal: own.signal });
  await expect.poll(() => model.doGenerateCalls.length).toBe(1);
  own.abort(new Error('no longer wanted'));
  await expect(call).rejects.toThrow('no longer wanted');
  expect(model.doGenerateCalls[0]?.abortSignal?.aborted).toBe(true);
});

test('a permit without a model is reserved by the tokens that are told, and stands as it was', async () => {
  const noted = notedPermits();
  const { attempt } = await layerWorld([], noted);
  const { permit } = await attempt();
  expect(await permit('crm', async () => 7, { tokens: 30 })).toBe(7);
  await expect(permit('crm', () => Promise.reject(new Error('theirs')), {})).rejects.toThrow('theirs');
  expect(noted.granted.map(({ wanted, fate }) => [wanted.amount.tokens, fate.at(-1)])).toEqual([
    [30, 'settled'],
    [0, 'settled'],
  ]);
  for (const tokens of [-1, Number.NaN, 1e12])
    expect(() => permit('crm', async () => 1, { tokens })).toThrow('it takes a number from 0');
});
