import { APICallError, type LanguageModelV4StreamPart } from '@ai-sdk/provider';
import { MockLanguageModelV4 } from 'ai/test';
import { expect, test } from 'vitest';
import { LimiterTimeoutError, NonRetryableError } from '../../src/kernel/errors.ts';
import { entryOf, layerWorld } from './layer-world.ts';
import { said, spoken, streamOf } from './models-world.ts';
import { notedPermits } from './permits.ts';

const status = (statusCode: number, message = `status ${statusCode}`): APICallError =>
  new APICallError({ message, url: '', requestBodyValues: {}, statusCode });
const failing = (error: unknown) => new MockLanguageModelV4({ doGenerate: () => Promise.reject(error) });
const streaming = (parts: readonly LanguageModelV4StreamPart[]) =>
  new MockLanguageModelV4({ doStream: async () => ({ stream: streamOf(parts) }) });
const noPermit = (error: Error) => ({
  acquire: () => Promise.reject(error),
  penalize: () => {},
  waitMs: () => 0,
  waitsOf: () => [],
});

const cases: readonly [string, code: string, MockLanguageModelV4, Error?][] = [
  ['network', 'model_unavailable', failing(new TypeError('fetch failed'))],
  ['timeout', 'model_unavailable', new MockLanguageModelV4({ doGenerate: () => new Promise(() => {}) })],
  ['busy', 'model_unavailable', failing(status(429))],
  ['server', 'model_unavailable', failing(status(500))],
  ['refused', 'non_retryable', failing(status(401))],
  ['invalid_answer', 'model_unavailable', failing(status(200, 'Invalid JSON response'))],
  ['cut', 'model_unavailable', streaming(spoken('to').slice(0, 4))],
  ['too_large', 'payload_too_large', streaming(spoken('x'.repeat(5 * 1024 * 1024)))],
  ['no_permit', 'limiter_timeout', failing(0), new LimiterTimeoutError('none')],
  ['no_permit', 'non_retryable', failing(0), new NonRetryableError('larger than the budget')],
  ['other', 'model_unavailable', failing('a text')],
];

test.each(cases)('what comes to nothing is counted by its reason: %s, %s', async (reason, code, model, refusal) => {
  const noted = refusal ? { permits: noPermit(refusal) } : notedPermits();
  const { attempt, ports, clock } = await layerWorld([entryOf(model)], noted);
  const asked = (await attempt()).model({ timeoutMs: 1_000 });
  const streams = ['cut', 'too_large'].includes(reason);
  const call = streams
    ? drained(await asked.doStream({ prompt: [] }))
    : Promise.resolve(asked.doGenerate({ prompt: [] }));
  const error = call.catch((thrown: unknown) => thrown);
  await clock.advance(1_000);
  expect(await error).toMatchObject({ code });
  const text = await ports.metrics.text();
  expect(text).toContain(`troupe_model_errors_total{model="fast",reason="${reason}"} 1`);
});

const drained = async ({ stream }: { stream: ReadableStream }): Promise<void> => {
  for await (const _ of stream);
};

test('tokens, dollars and replays are counted by model', async () => {
  const model = new MockLanguageModelV4({ doGenerate: async () => said('fine') });
  const { attempt, ports } = await layerWorld([entryOf(model)], notedPermits());
  for (const _ of [1, 2, 3]) await (await attempt()).model().doGenerate({ prompt: [] });
  const text = await ports.metrics.text();
  for (const line of [
    'troupe_model_calls_total{model="fast",outcome="answered"} 1',
    'troupe_model_tokens_total{model="fast",direction="input"} 10',
    'troupe_model_tokens_total{model="fast",direction="output"} 5',
    'troupe_model_usd_total{model="fast"} 0.00002',
    'troupe_model_replays_total{model="fast"} 2',
  ])
    expect(text).toContain(line);
});
