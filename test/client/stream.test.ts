import { readUIMessageStream, type UIMessage, type UIMessageChunk } from 'ai';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineApp, defineTask, type RunEvent } from '../../src/index.ts';
import { startWorld } from './world.ts';

const delta = (text: string): UIMessageChunk => ({ type: 'text-delta', id: 'a', delta: text });
const head: readonly UIMessageChunk[] = [{ type: 'start' }, { type: 'start-step' }, { type: 'text-start', id: 'a' }];
const tail: readonly UIMessageChunk[] = [{ type: 'text-end', id: 'a' }, { type: 'finish-step' }, { type: 'finish' }];

/** One chunk after the other, each in a turn of its own, as tokens come. */
const speaking = (texts: Iterable<() => string>, pauseMs = 0): ReadableStream<UIMessageChunk> => {
  const chunks = (function* () {
    for (const chunk of head) yield () => chunk;
    for (const text of texts) yield () => delta(text());
    for (const chunk of tail) yield () => chunk;
  })();
  return new ReadableStream(
    {
      pull: async (controller) => {
        await new Promise((resolve) => {
          setTimeout(resolve, pauseMs);
        });
        const { value, done } = chunks.next();
        if (done) controller.close();
        else controller.enqueue(value());
      },
    },
    { highWaterMark: 0 },
  );
};

const words = (count: number, of = 'word') => Array.from({ length: count }, (_, index) => () => `${of} ${index} `);

const speak = defineTask({
  name: 'speak',
  input: z.object({ words: z.number() }),
  run: (ctx, input) => ctx.stream(speaking(words(input.words))),
});
const clocked = defineTask({
  name: 'clocked',
  input: z.object({ words: z.number() }),
  run: (ctx, input) =>
    ctx.stream(
      speaking(
        Array.from({ length: input.words }, () => () => `${performance.now()} `),
        5,
      ),
    ),
});
const stutters = defineTask({
  name: 'stutters',
  input: z.object({}),
  retry: { max: 2, backoff: { first: '10ms' } },
  run: async (ctx) => {
    await ctx.stream(speaking(words(3, `attempt ${ctx.attempt}:`)));
    if (ctx.attempt === 1) {
      await ctx.stream(speaking(words(2, 'half')).pipeThrough(cut(5)));
      throw new Error('broken off');
    }
    await ctx.stream(speaking(words(2, 'whole')));
  },
});
const cut = (after: number): TransformStream<UIMessageChunk, UIMessageChunk> => {
  let left = after;
  return new TransformStream({
    transform: (chunk, controller) => {
      if (left-- > 0) controller.enqueue(chunk);
    },
  });
};

const atOnce = (chunks: readonly UIMessageChunk[]): ReadableStream<UIMessageChunk> =>
  new ReadableStream({
    start: (controller) => {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
/** Text of several messages, which nothing cuts where it wants to be cut. */
const long = '💬'.repeat(500_000);
const big = 'x'.repeat(2_000_000);
const exceeds = defineTask({
  name: 'exceeds',
  input: z.object({}),
  progress: z.string(),
  output: z.string(),
  run: async (ctx) => {
    ctx.progress(big);
    ctx.progress('small');
    const calls: readonly UIMessageChunk[] = [
      { type: 'tool-input-available', toolCallId: 'in', toolName: 'read', input: { big } },
      { type: 'tool-output-available', toolCallId: 'in', output: 'read' },
      { type: 'tool-input-available', toolCallId: 'out', toolName: 'read', input: {} },
      { type: 'tool-output-available', toolCallId: 'out', output: { big } },
      { type: 'file', mediaType: 'text/plain', url: `data:text/plain,${big}` },
    ];
    const chunks = [...head, delta(`a${long}`), ...tail.slice(0, 1), ...calls, ...tail.slice(1)];
    await ctx.stream(atOnce(chunks));
    return 'done';
  },
});

const app = defineApp({
  pools: { default: { workers: { min: 8, max: 8 } } },
  tasks: [speak, clocked, stutters, exceeds],
});
let world: Awaited<ReturnType<typeof startWorld<typeof app>>>;
beforeAll(async () => {
  world = await startWorld(app);
});
afterAll(() => world.close());

const collect = async <T>(each: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const one of each) all.push(one);
  return all;
};
type Shown = Extract<RunEvent, { type: 'chunk' }>;
const chunksOf = async (events: AsyncIterable<RunEvent>): Promise<Shown[]> =>
  (await collect(events)).filter((event): event is Shown => event.type === 'chunk');
const textOf = (chunks: readonly UIMessageChunk[]): string =>
  chunks.map((chunk) => (chunk.type === 'text-delta' ? chunk.delta : '')).join('');

test('another client follows what a model says, and takes it up again at any number, after the end too', async () => {
  const [one, other] = [await world.client({ app }), await world.client()];
  const { id } = await one.submit('speak', { words: 40 });
  const whole = await chunksOf(other.run('speak', id).events());
  expect(textOf(whole.map(({ chunk }) => chunk))).toBe(
    words(40)
      .map((word) => word())
      .join(''),
  );
  const numbers = whole.map(({ n }) => n);
  expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));

  const third = await world.client();
  for (const at of [0, 1, Math.floor(whole.length / 2), whole.length - 1]) {
    const rest = await chunksOf(third.run('speak', id).events({ from: numbers[at] ?? 0 }));
    expect(rest).toEqual(whole.slice(at));
  }
  expect(await chunksOf(third.run('speak', id).events({ from: (numbers.at(-1) ?? 0) + 1 }))).toEqual([]);
});

test('a message for user interfaces survives the attempt that it began with', async () => {
  const client = await world.client();
  const run = await client.submit('stutters', {});
  let message: UIMessage | undefined;
  const errors: unknown[] = [];
  const stream = run.uiMessageStream();
  for await (const each of readUIMessageStream({ stream, onError: (error) => errors.push(error) })) message = each;
  expect(errors).toEqual([]);
  expect(message?.parts.flatMap((part) => (part.type === 'text' ? [part.text] : []))).toEqual([
    // Shown to its end by the first attempt, and not recorded by anything: it stays.
    'attempt 1: 0 attempt 1: 1 attempt 1: 2 ',
    'whole 0 whole 1 ',
  ]);
});

test('what a model says is there within 3 ms of its being said', async () => {
  const [one, other] = [await world.client({ app }), await world.client()];
  const { id } = await one.submit('clocked', { words: 300 });
  const delays: number[] = [];
  for await (const event of other.run('clocked', id).events())
    if (event.type === 'chunk' && event.chunk.type === 'text-delta')
      delays.push(performance.now() - Number(event.chunk.delta.split(' ').at(-2)));
  const sorted = delays.toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)];
  expect(median).toBeLessThan(3);
});

test('what one message does not take is left out, and the task goes on: text is whole, and whatever is lacking says so', async () => {
  const client = await world.client();
  const run = await client.submit('exceeds', {});
  let message: UIMessage | undefined;
  const errors: unknown[] = [];
  const stream = run.uiMessageStream();
  for await (const each of readUIMessageStream({ stream, onError: (error) => errors.push(error) })) message = each;
  expect(await run.result()).toBe('done');
  expect(errors).toEqual([new Error('Too large to be shown: file.')]);
  expect(message?.parts).toMatchObject([
    { type: 'step-start' },
    { type: 'text', text: `a${long}`, state: 'done' },
    { type: 'tool-read', toolCallId: 'in', state: 'output-available', output: 'read' },
    { type: 'tool-read', state: 'output-error', errorText: 'Too large to be shown: tool-output-available.' },
  ]);
  const shown = (await collect(run.events())).flatMap((event) => (event.type === 'progress' ? [event.value] : []));
  expect(shown).toEqual(['small']);
  const warned = world.lines.filter((line) => line.includes('more than one message takes'));
  expect(warned.map((line) => JSON.parse(line))).toMatchObject([
    { task: `exceeds.${run.id}`, event: 'progress', bytesMax: 1_048_576, msg: expect.stringContaining('left out') },
    ...Array(3).fill({ event: 'chunk' }),
  ]);
});
