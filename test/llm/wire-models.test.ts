import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, Output, stepCountIs, streamText, tool } from 'ai';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { type ModelServer, type ModelServerOptions, startModelServer } from '../../src/dev/model-server.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { limitedFetch } from '../../src/llm/wire.ts';
import { entryOf, layerWorld } from './layer-world.ts';
import { notedPermits } from './permits.ts';

const running: ModelServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

const prompt = `Summarise this document.\n\n<document>\nThe Address\n\nFour score and seven years ago. A new nation.\n</document>`;

const setup = async (options: ModelServerOptions = {}) => {
  const server = await startModelServer({ latencyMs: 0, ...options });
  running.push(server);
  const { fetch, close } = limitedFetch({ log: silentLog });
  onTestFinished(close);
  const model = createOpenAICompatible({
    name: 'local',
    baseURL: server.url,
    apiKey: 'none',
    supportsStructuredOutputs: true,
    includeUsage: true,
    fetch,
  })('tiny');
  const noted = notedPermits();
  return { server, noted, ...(await layerWorld([entryOf(model)], noted)) };
};

test('a call goes by its permit at the wire, and settles what the provider counted', async () => {
  const { server, noted, attempt, recordOf } = await setup();
  for (const _ of [1, 2])
    expect((await generateText({ model: (await attempt()).model(), prompt })).text).toMatch(
      /^\[simulated\] The Address/,
    );
  expect(server.arrivals()).toHaveLength(1);
  expect(noted.granted.map(({ fate }) => fate)).toEqual([expect.arrayContaining(['sent', 'heard', 'settled'])]);
  const { usage } = (await recordOf()) ?? {};
  expect(noted.granted[0]?.settled).toMatchObject({
    inputTokens: usage?.inputTokens,
    outputTokens: usage?.outputTokens,
  });
  expect(noted.granted[0]?.wanted.amount.inputTokens).toBeGreaterThanOrEqual(usage?.inputTokens ?? Number.NaN);
});

test('a stream does too, is read as it comes, and is replayed as one', async () => {
  const { server, attempt } = await setup();
  const read = async () => {
    const chunks: string[] = [];
    for await (const text of streamText({ model: (await attempt()).model(), prompt }).textStream) chunks.push(text);
    return chunks;
  };
  const [first, second] = [await read(), await read()];
  expect(first.length).toBeGreaterThan(1);
  expect(second).toEqual([first.join('')]);
  expect(server.arrivals()).toHaveLength(1);
});

test('structured output comes from the record too', async () => {
  const { server, attempt } = await setup();
  const output = Output.object({ schema: z.object({ title: z.string(), words: z.number() }) });
  const ask = async () => (await generateText({ model: (await attempt()).model(), prompt, output })).output;
  expect(await ask()).toEqual(await ask());
  expect(server.arrivals()).toHaveLength(1);
});

test('a stream that is cut by the network fails as such, and is made anew', async () => {
  const { server, noted, attempt } = await setup();
  server.cutNext(1, 2);
  const first = await attempt();
  const read = async ({ model }: typeof first) => streamText({ model: model(), prompt, onError: () => {} }).text;
  const error = await read(first).catch((thrown: unknown) => thrown);
  expect(first.cause(error)).toMatchObject({ code: 'model_unavailable' });
  expect(await read(await attempt())).toMatch(/^\[simulated\]/);
  expect(noted.granted.map(({ fate }) => fate.at(-1))).toEqual(['settled', 'settled']);
});

test('a window that is exceeded is answered in a way that closes the budget', async () => {
  const { noted, attempt } = await setup({ limits: { requests: { limit: 1, perMs: 30_000 } } });
  const model = (await attempt()).model();
  await generateText({ model, prompt });
  await expect(generateText({ model, prompt: 'another' })).rejects.toMatchObject({ code: 'retry_after' });
  expect(noted.penalties).toEqual([['b', 30_000]]);
});

test('the AI SDK tries nothing again by itself', async () => {
  const { server, attempt } = await setup();
  server.failNext(1, 503);
  await expect(generateText({ model: (await attempt()).model(), prompt, maxRetries: 5 })).rejects.toMatchObject({
    code: 'model_unavailable',
  });
  expect(server.arrivals()).toHaveLength(1);
});

test('a server that is not there is no permit used', async () => {
  const { server, noted, attempt } = await setup();
  const model = (await attempt()).model();
  await generateText({ model, prompt });
  await server.stop();
  running.splice(0);
  await expect(generateText({ model, prompt: 'another' })).rejects.toMatchObject({ code: 'model_unavailable' });
  expect(noted.granted[1]?.fate).not.toContain('sent');
});

test('tools are handed to the provider unchanged', async () => {
  const { attempt } = await setup();
  const add = tool({ inputSchema: z.object({ a: z.number() }), execute: async ({ a }) => a + 1 });
  const { text } = await generateText({
    model: (await attempt()).model(),
    prompt,
    tools: { add },
    stopWhen: stepCountIs(3),
  });
  expect(text).toMatch(/^\[simulated\]/);
});
