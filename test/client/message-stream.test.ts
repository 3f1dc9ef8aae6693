import { readUIMessageStream, type UIMessage } from 'ai';
import { describe, expect, test } from 'vitest';
import type { Chunk } from '../../src/app/stream-types.ts';
import { message, messageStream } from '../../src/client/message-stream.ts';
import type { RunEvent } from '../../src/client/types.ts';

const at = new Date(0);
const shown = (attempt: number, ...chunks: readonly Chunk[]): RunEvent[] =>
  chunks.map((chunk) => ({ n: 0, at, attempt, type: 'chunk', chunk }));
const completed: RunEvent = { n: 0, at, attempt: 9, type: 'completed', output: null };

const start: Chunk = { type: 'start' };
const finish: Chunk = { type: 'finish' };
/** One call of a model, as `streamText` shows it. */
const step = (text: string): Chunk[] => [
  { type: 'start-step' },
  { type: 'text-start', id: '0' },
  ...text.split('').map((delta) => ({ type: 'text-delta', id: '0', delta }) as const),
  { type: 'text-end', id: '0' },
  { type: 'finish-step' },
];

const numbered = (events: readonly RunEvent[]): RunEvent[] =>
  events.map((event, index) => ({ ...event, n: index + 1 }));
async function* following(events: readonly RunEvent[]): AsyncGenerator<RunEvent> {
  yield* events;
}
const stream = (events: readonly RunEvent[], from = 0): ReadableStream<Chunk> =>
  messageStream(() => following(numbered(events)), { from });

/** What a user sees in the end, and what went wrong on the way. */
const read = async (events: readonly RunEvent[]) => {
  let last: UIMessage | undefined;
  const errors: unknown[] = [];
  for await (const each of readUIMessageStream({ stream: stream(events), onError: (error) => errors.push(error) }))
    last = each;
  const texts = last?.parts.flatMap((part) => (part.type === 'text' ? [part.text] : []));
  return { texts, steps: last?.parts.filter(({ type }) => type === 'step-start').length, errors };
};
const all = async <T>(chunks: ReadableStream<T>): Promise<T[]> => {
  const list: T[] = [];
  for await (const chunk of chunks) list.push(chunk);
  return list;
};

describe('the message of a run', () => {
  test('is what its only attempt has shown', async () => {
    const chunks = [start, ...step('hello'), finish];
    expect(await all(stream([...shown(1, ...chunks), completed]))).toEqual(chunks);
    expect(await read([...shown(1, ...chunks), completed])).toEqual({ texts: ['hello'], steps: 1, errors: [] });
  });

  test('has the step that broke off from the attempt that finished it', async () => {
    const events = [
      ...shown(1, start, ...step('never').slice(0, 4)),
      ...shown(2, start, ...step('hello'), finish),
      completed,
    ];
    expect(await read(events)).toEqual({ texts: ['hello'], steps: 1, errors: [] });
  });

  test('has the steps before it once, though they are given again', async () => {
    const events = [
      ...shown(1, start, ...step('one'), ...step('two').slice(0, 3)),
      ...shown(2, start, ...step('one'), ...step('two, anew').slice(0, 6)),
      ...shown(3, start, ...step('one'), ...step('two, at last'), finish),
      completed,
    ];
    expect(await read(events)).toEqual({ texts: ['one', 'two, at last'], steps: 2, errors: [] });
  });

  test('goes on after a step that was complete', async () => {
    const events = [
      ...shown(1, start, ...step('one')),
      ...shown(2, start, ...step('one'), ...step('two'), finish),
      completed,
    ];
    expect(await read(events)).toEqual({ texts: ['one', 'two'], steps: 2, errors: [] });
  });

  test('begins anew where it has no steps', async () => {
    const text = (delta: string): Chunk[] => [
      { type: 'text-start', id: 'a' },
      { type: 'text-delta', id: 'a', delta },
    ];
    const events = [...shown(1, start, ...text('wrong')), ...shown(2, start, ...text('right')), completed];
    expect(await read(events)).toEqual({ texts: ['right'], steps: 0, errors: [] });
  });

  test('tells nothing of an error that another attempt has made good', async () => {
    const error: Chunk = { type: 'error', errorText: 'An error occurred.' };
    const events = [
      ...shown(1, start, ...step('x').slice(0, 2), error),
      ...shown(2, start, ...step('y'), finish),
      completed,
    ];
    expect(await read(events)).toEqual({ texts: ['y'], steps: 1, errors: [] });
    expect(await all(stream([...shown(1, start, error), completed]))).toEqual([start, error]);
  });

  test('leaves out what an attempt that was overtaken still shows', async () => {
    const [one, two] = [shown(1, ...step('1')), shown(2, ...step('2'))];
    const events = [...one.slice(0, 2), ...two.slice(0, 2), ...one.slice(2), ...two.slice(2), completed];
    expect((await read(events)).texts).toEqual(['2']);
  });

  test('ends with an error that tells the code alone, or with an abort', () => {
    expect(message().of({ n: 0, at, attempt: 1, type: 'failed', code: 'timeout', error: 'the secret' })).toEqual([
      { type: 'error', errorText: 'The task failed: timeout.' },
    ]);
    expect(message().of({ n: 0, at, attempt: 1, type: 'cancelled' })).toEqual([{ type: 'abort' }]);
  });

  test('can be had from any number on', async () => {
    const events = [...shown(1, start, ...step('abc')), completed];
    const whole = await all(stream(events));
    for (let from = 0; from <= whole.length + 1; from++)
      expect(await all(stream(events, from))).toEqual(whole.slice(Math.max(0, from - 1)));
  });

  test('stops following when nobody reads any more', async () => {
    let over = false;
    async function* endless(): AsyncGenerator<RunEvent> {
      try {
        for (;;) yield* shown(1, start);
      } finally {
        over = true;
      }
    }
    const reader = messageStream(endless, {}).getReader();
    expect((await reader.read()).value).toEqual(start);
    await reader.cancel();
    expect(over).toBe(true);
  });
});
