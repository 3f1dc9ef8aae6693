/** What a provider may answer over a real connection, and what becomes of it: a typed error, a count, a settled permit. */
import { createServer, type ServerResponse } from 'node:http';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import type { JSONObject, LanguageModelV4GenerateResult } from '@ai-sdk/provider';
import { generateText, streamText } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { describe, expect, onTestFinished, test } from 'vitest';
import { silentLog } from '../../src/kernel/log.ts';
import { limitedFetch } from '../../src/llm/wire.ts';
import { entryOf, layerWorld } from './layer-world.ts';
import { said, usage } from './models-world.ts';
import { notedPermits } from './permits.ts';
import { portOf } from './port.ts';

type Answer = (response: ServerResponse) => void;

const json =
  (body: unknown): Answer =>
  (response) =>
    void response
      .setHeader('content-type', 'application/json')
      .end(typeof body === 'string' ? body : JSON.stringify(body));
const choice = (content: unknown) => ({ choices: [{ index: 0, message: { role: 'assistant', content } }] });
const event = (content: unknown): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { role: 'assistant', content } }] })}\n\n`;
const events =
  (...chunks: readonly string[]): Answer =>
  (response) => {
    response.setHeader('content-type', 'text/event-stream');
    for (const chunk of chunks) response.write(chunk);
  };
const megabytes = (count: number): string => 'x'.repeat(count * 1024 * 1024);
const never: Answer = () => {};

const setup = async (answer: Answer) => {
  const asked = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    response.on('close', left.resolve);
    request.resume().once('end', () => {
      answer(response);
      asked.resolve();
    });
  });
  const port = await portOf(server);
  const { fetch, close } = limitedFetch({ log: silentLog });
  onTestFinished(close);
  const baseURL = `http://127.0.0.1:${port}/v1`;
  const model = createOpenAICompatible({ name: 'local', baseURL, apiKey: 'none', includeUsage: true, fetch })('tiny');
  const noted = notedPermits();
  const opened = await layerWorld([entryOf(model)], noted);
  /** What came of it, once the provider has been asked; a timeout takes time. */
  const cameOf = async (call: Promise<unknown>, reason: string) => {
    const error = call.catch((thrown: unknown) => thrown);
    await asked.promise;
    if (reason === 'timeout') await opened.clock.advance(1_000);
    const thrown = await error;
    const errors = (await opened.ports.metrics.text()).match(
      /(?<=troupe_model_errors_total\{model="fast",reason=")\w+/g,
    );
    return { thrown, errors, fates: noted.granted.map(({ fate }) => fate.join(' ')) };
  };
  return { ...opened, cameOf, left: left.promise };
};

type Row = readonly [string, Answer, code: string, reason: string];

describe('an answer in one piece', () => {
  test.each<Row>([
    ['that is no JSON', json('<html>Welcome</html>'), 'model_unavailable', 'invalid_answer'],
    ['that is empty', json(''), 'model_unavailable', 'invalid_answer'],
    ['of another schema', json({ nonsense: 1 }), 'model_unavailable', 'invalid_answer'],
    ['of another schema, further in', json(choice(7)), 'model_unavailable', 'invalid_answer'],
    ['of 5 MB', json(choice(megabytes(5))), 'payload_too_large', 'too_large'],
    [
      'that breaks off',
      (response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': 1_000 });
        response.write('{"choices":[', () => response.destroy());
      },
      'model_unavailable',
      'cut',
    ],
    ['that never begins', never, 'model_unavailable', 'timeout'],
    ['that begins and never goes on', (response) => response.write('{'), 'model_unavailable', 'timeout'],
  ])('%s', async (_, answer, code, reason) => {
    const { attempt, cameOf, left } = await setup(answer);
    const model = (await attempt()).model({ timeoutMs: 1_000 });
    const { thrown, errors, fates } = await cameOf(generateText({ model, prompt: 'hi' }), reason);
    expect(thrown).toMatchObject({ code });
    expect(errors).toEqual([reason]);
    expect(fates).toEqual([expect.stringMatching(/^begun sent .*settled$/)]);
    await left; // The connection is not left to a provider that nobody waits for.
  });
});

describe('a stream', () => {
  const finish = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n';

  test.each<Row>([
    ['of another schema', events('data: {"choices":7}\n\n', finish), 'model_unavailable', 'invalid_answer'],
    [
      'of 5 MB',
      events(...Array.from({ length: 5 }, () => event(megabytes(1))), finish),
      'payload_too_large',
      'too_large',
    ],
    [
      'that is cut in the middle',
      (response) => {
        events(event('to'))(response);
        response.write(event(' be'), () => response.destroy());
      },
      'model_unavailable',
      'cut',
    ],
    ['that never goes on', events(event('to')), 'model_unavailable', 'timeout'],
  ])('%s', async (_, answer, code, reason) => {
    const { attempt, cameOf, left } = await setup(answer);
    const made = await attempt();
    const read = Promise.resolve(
      streamText({ model: made.model({ timeoutMs: 1_000 }), prompt: 'hi', onError: () => {} }).text,
    );
    const { thrown, errors, fates } = await cameOf(read, reason);
    expect(made.cause(thrown)).toMatchObject({ code });
    expect(errors).toEqual([reason]);
    expect(fates).toEqual([expect.stringMatching(/^begun sent .*settled$/)]);
    await left;
  });
});

const circle: JSONObject = {};
circle.self = circle;
const invalid = new Date(Number.NaN);
const text = said('fine');
const named = { type: 'source', sourceType: 'url', id: 's', url: 'https://example.org' } as const;
const source = { ...named, providerMetadata: { local: { signature: 'sig' } } };
const strangeSource = { ...source, size: 1n };

test.each<readonly [string, LanguageModelV4GenerateResult]>([
  ['a date that is none', { ...text, response: { id: 'r', timestamp: invalid } }],
  ['no text for its names', { ...text, response: JSON.parse('{"id":7,"modelId":8,"timestamp":9}') }],
  ['metadata that are no JSON', { ...text, providerMetadata: { local: circle } }],
  [
    'a part whose metadata are none',
    { ...text, content: [{ type: 'text', text: 'fine', providerMetadata: { circle } }] },
  ],
  ['a count of its own that is none', { ...text, usage: { ...usage(1, 1), raw: circle } }],
  ['a part with a number that is no JSON', { ...text, content: [...text.content, strangeSource] }],
])('an answer that has been paid for, with %s, is good without that', async (_, answer) => {
  const model = new MockLanguageModelV4({ doGenerate: async () => answer });
  const noted = notedPermits();
  const { attempt } = await layerWorld([entryOf(model)], noted);
  const asked = await generateText({ model: (await attempt()).model(), prompt: 'hi' });
  expect(asked.text).toBe('fine');
  expect(noted.granted).toHaveLength(1);
  expect((await generateText({ model: (await attempt()).model(), prompt: 'hi' })).text).toBe('fine');
  expect(noted.granted).toHaveLength(1); // It is in the record.
});

test('what such an answer has beside that is kept', async () => {
  const content = [...text.content, strangeSource];
  const model = new MockLanguageModelV4({ doGenerate: async () => ({ ...text, content }) });
  const { attempt } = await layerWorld([entryOf(model)], notedPermits());
  const { sources } = await generateText({ model: (await attempt()).model(), prompt: 'hi' });
  expect(sources).toEqual([source]);
});

test.each([
  ['no finish reason', undefined],
  ['a finish reason of an older specification', 'stop'],
])('an answer with %s is none: another provider is asked', async (_, finishReason) => {
  const strange = new MockLanguageModelV4({ doGenerate: async () => Object.assign({ ...text }, { finishReason }) });
  const sound = new MockLanguageModelV4({ doGenerate: async () => said('sound') });
  const noted = notedPermits();
  const { attempt, ports, recordOf } = await layerWorld([entryOf(strange), entryOf(sound)], noted);
  expect((await generateText({ model: (await attempt()).model(), prompt: 'hi' })).text).toBe('sound');
  expect((await recordOf())?.steps).toHaveLength(1);
  expect(noted.granted.map(({ fate }) => fate.at(-1))).toEqual(['settled', 'settled']);
  const counts = await ports.metrics.text();
  expect(counts).toContain('troupe_model_errors_total{model="fast",reason="invalid_answer"} 1');
  expect(counts).toContain('troupe_model_calls_total{model="fast",outcome="answered"} 1');
});

test('an answer without a count of tokens is good, is counted as such, and its estimate stands', async () => {
  const { attempt, ports } = await setup(json(choice('fine')));
  expect((await generateText({ model: (await attempt()).model(), prompt: 'hi' })).text).toBe('fine');
  expect(await ports.metrics.text()).toContain('troupe_model_uncounted_total{model="fast"} 1');
});
