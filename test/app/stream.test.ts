import { MockLanguageModelV4, simulateReadableStream } from 'ai/test';
import { type LanguageModel, streamText, type UIMessageChunk } from 'ai';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../src/kernel/clock.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { streamed } from '../../src/app/stream.ts';
import type { StreamSource } from '../../src/app/stream-types.ts';

const setup = (show?: (chunk: UIMessageChunk) => boolean) => {
  const chunks: UIMessageChunk[] = [];
  const life = new AbortController();
  onTestFinished(() => life.abort());
  const shown = show ?? ((chunk: UIMessageChunk) => chunks.push(chunk) > 0);
  const options = { clock: systemClock, log: silentLog, signal: life.signal, show: shown };
  const stream = (source: StreamSource): Promise<void> => streamed(options, source);
  return { chunks, life, stream };
};

const delta = (text: string, id = 'a'): UIMessageChunk => ({ type: 'text-delta', id, delta: text });
const sourceOf = (chunks: readonly UIMessageChunk[]): ReadableStream<UIMessageChunk> =>
  new ReadableStream({
    start: (controller) => {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });

/** Says this, then fails or finishes. */
const model = (words: readonly string[], failure?: Error): LanguageModel =>
  new MockLanguageModelV4({
    doStream: async () => ({
      stream: simulateReadableStream({
        initialDelayInMs: null,
        chunkDelayInMs: null,
        chunks: [
          { type: 'stream-start', warnings: [] },
          { type: 'text-start', id: 'a' },
          ...words.map((word) => ({ type: 'text-delta', id: 'a', delta: word }) as const),
          ...(failure
            ? [{ type: 'error', error: failure } as const]
            : [
                { type: 'text-end', id: 'a' } as const,
                {
                  type: 'finish',
                  finishReason: { unified: 'stop', raw: 'stop' },
                  usage: {
                    inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
                    outputTokens: { total: 1, text: 1, reasoning: 0 },
                  },
                } as const,
              ]),
        ],
      }),
    }),
  });

const textOf = (chunks: readonly UIMessageChunk[]): string =>
  chunks.map((chunk) => (chunk.type === 'text-delta' ? chunk.delta : '')).join('');

test('what a model says is shown as it says it', async () => {
  const { stream, chunks } = setup();
  await stream(streamText({ model: model(['one ', 'two']), prompt: '' }));
  expect(textOf(chunks)).toBe('one two');
  expect(chunks.map(({ type }) => type).filter((type) => type !== 'text-delta')).toEqual([
    'start',
    'start-step',
    'text-start',
    'text-end',
    'finish-step',
    'finish',
  ]);
});

test('what comes at once is shown in few chunks, and nothing is lost or swapped', async () => {
  const { stream, chunks } = setup();
  const words = Array.from({ length: 1_000 }, (_, index) => `${index} `);
  await stream(sourceOf(words.map((word) => delta(word))));
  expect(textOf(chunks)).toBe(words.join(''));
  expect(chunks.length).toBeLessThan(10);
});

test('only pieces of one text become one', async () => {
  const { stream, chunks } = setup();
  const mixed: UIMessageChunk[] = [
    { type: 'start' },
    delta('a'),
    delta('b', 'b'),
    { type: 'reasoning-delta', id: 'b', delta: 'c' },
    { type: 'reasoning-delta', id: 'b', delta: 'd' },
    { type: 'tool-input-delta', toolCallId: 't', inputTextDelta: 'e' },
    { type: 'tool-input-delta', toolCallId: 't', inputTextDelta: 'f' },
    { type: 'text-delta', id: 'b', delta: 'g', providerMetadata: { some: { thing: 1 } } },
    delta('h', 'b'),
  ];
  await stream(sourceOf(mixed));
  expect(chunks).toEqual([
    ...mixed.slice(0, 3),
    { type: 'reasoning-delta', id: 'b', delta: 'cd' },
    { type: 'tool-input-delta', toolCallId: 't', inputTextDelta: 'ef' },
    ...mixed.slice(7),
  ]);
});

test('a model that breaks off is told to the handler, by the error itself; who watches learns nothing of it', async () => {
  const { stream, chunks } = setup();
  const failure = new Error('the secret');
  const result = streamText({ model: model(['on'], failure), prompt: '', onError: () => {} });
  await expect(stream(result)).rejects.toBe(failure);
  expect(chunks.some(({ type }) => type === 'error')).toBe(true);
  expect(JSON.stringify(chunks)).not.toContain('secret');
});

test('a source that fails is a failure, once all it gave is shown', async () => {
  const { stream, chunks } = setup();
  let given = 0;
  const broken = new ReadableStream<UIMessageChunk>({
    pull: (controller) => {
      if (given++ < 2) controller.enqueue(delta(String(given)));
      else controller.error(new Error('it broke'));
    },
  });
  await expect(stream(broken)).rejects.toThrow('it broke');
  expect(textOf(chunks)).toBe('12');
});

test('an attempt that is stopped lets go of its source', async () => {
  const { stream, life } = setup();
  const cancelled = Promise.withResolvers<unknown>();
  const streaming = stream(new ReadableStream<UIMessageChunk>({ cancel: cancelled.resolve }));
  life.abort(new Error('drained'));
  await expect(streaming).rejects.toThrow('drained');
  expect(await cancelled.promise).toEqual(new Error('drained'));
});

test('what cannot be shown does not end the task', async () => {
  const { stream } = setup(() => {
    throw new Error('the connection is closed');
  });
  await stream(sourceOf([delta('a'), { type: 'finish' }]));
});
