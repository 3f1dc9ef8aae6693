import { generateText } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { type BatchItem, defineApp, defineTask, NonRetryableError, testRuntime } from '../../src/index.ts';
import type { Duration } from '../../src/kernel/duration.ts';
import { UncaughtError, whoAnswers } from '../../src/kernel/stray.ts';
import { loose, mistakesOf } from './apps.ts';

const input = z.object({ n: z.number() });
const output = z.object({ square: z.number().max(100) });
type Items = readonly BatchItem<typeof input, typeof output>[];
type Handle = (items: Items, ctx: { readonly abortSignal: AbortSignal; readonly id: string }) => Promise<void>;

/** An app with a task `square` in batches of three, which this handles, and workers for twelve. */
const open = async (handle: Handle, { wait = '50ms', retry = 3 }: { wait?: Duration; retry?: number } = {}) => {
  const calls: (readonly number[])[] = [];
  const square = defineTask({
    name: 'square',
    input,
    output,
    retry: { max: retry, backoff: { first: '1s' } },
  }).runBatch({ size: 3, wait }, async (ctx, items) => {
    calls.push(items.map((item) => item.input.n));
    await handle(items, ctx);
  });
  const opened = await testRuntime(
    defineApp({ pools: { default: { workers: { min: 12, max: 12 } } }, tasks: [square] }),
  );
  onTestFinished(() => opened.close());
  const { client, clock, idle } = opened;
  const submit = (...numbers: readonly number[]) =>
    Promise.all(numbers.map((n) => client.submit(square, { n }, { id: `n${n}` })));
  return { ...opened, client, clock, idle, calls, submit };
};

const completeAll: Handle = async (items) => {
  for (const item of items) item.complete({ square: item.input.n ** 2 });
};

test('tasks that run at the same time are handled in one call, as soon as there are enough of them', async () => {
  const { submit, calls, clock } = await open(completeAll);
  const before = clock.now();
  const runs = await submit(1, 2, 3, 4, 5, 6);
  expect(await Promise.all(runs.map((run) => run.result()))).toEqual(
    [1, 4, 9, 16, 25, 36].map((square) => ({ square })),
  );
  expect(calls.map((call) => call.length)).toEqual([3, 3]);
  expect(clock.now()).toEqual(before);
});

test('too few are handled when the first has waited long enough', async () => {
  const { submit, calls, clock, idle } = await open(completeAll, { wait: '2s' });
  const runs = await submit(1, 2);
  await idle();
  await clock.advance('1999ms');
  expect(calls).toEqual([]);
  await clock.advance('1ms');
  await Promise.all(runs.map((run) => run.result()));
  expect(calls.map((call) => call.length)).toEqual([2]);
});

test('each is completed by itself, before the handler has ended', async () => {
  const held = Promise.withResolvers<void>();
  const { submit } = await open(async ([first, ...others]) => {
    first?.complete({ square: 1 });
    await held.promise;
    for (const item of others) item.complete({ square: 2 });
  });
  const [first, second] = await submit(1, 2, 3);
  expect(await first?.result()).toEqual({ square: 1 });
  expect(await second?.status()).toMatchObject({ status: 'running' });
  held.resolve();
  expect(await second?.result()).toEqual({ square: 2 });
});

test('an exception of theirs that nobody catches fails those that are open, and each is tried again by itself', async () => {
  const answers: unknown[] = [];
  const { submit, calls, clock, idle } = await open(async ([first, ...others], { abortSignal }) => {
    if (others.length === 0) return first?.complete({ square: 1 });
    first?.complete({ square: 1 });
    const who = whoAnswers();
    answers.push(who?.name, who?.fail(new UncaughtError(new Error('thrown'))), who?.fail(new UncaughtError('again')));
    answers.push(abortSignal.aborted);
  });
  const runs = await submit(1, 2, 3);
  await idle();
  expect(answers).toEqual(['a batch of 3 "square"', true, false, true]);
  expect(await runs[2]?.status()).toMatchObject({ status: 'waiting', error: { code: 'uncaught_exception' } });
  await clock.advance('5s');
  await Promise.all(runs.map((run) => run.result()));
  expect(calls.map((call) => call.length)).toEqual([3, 1, 1]);
});

test('one that fails is tried again with whoever is there then; one that was rejected is not', async () => {
  const { submit, calls, clock, idle } = await open(async (items) => {
    for (const item of items)
      if (item.input.n === 3) item.fail(new NonRetryableError('never'));
      else if (item.attempt === 1) item.fail(new Error('not yet'));
      else item.complete({ square: 0 });
  });
  const [one, two, three] = await submit(1, 2, 3);
  await idle();
  expect(await three?.status()).toMatchObject({ status: 'failed', error: { message: 'never' } });
  await clock.advance('5s');
  expect(await Promise.all([one?.result(), two?.result()])).toEqual([{ square: 0 }, { square: 0 }]);
  expect(calls.flat().toSorted((a, b) => a - b)).toEqual([1, 1, 2, 2, 3]);
});

test('what the handler says nothing of has failed, and is handled alone from then on', async () => {
  const { submit, calls, clock, idle } = await open(async (items) => {
    if (items.length > 1) items[0]?.complete({ square: 1 });
    else for (const item of items) item.complete({ square: item.attempt });
  });
  const runs = await submit(1, 2, 3);
  await idle();
  const state = await runs[1]?.status();
  expect(state).toMatchObject({ status: 'waiting', error: { code: 'batch_undecided' } });
  await clock.advance('5s');
  expect(await Promise.all(runs.map((run) => run.result()))).toHaveLength(3);
  expect(calls.map((call) => call.length)).toEqual([3, 1, 1]);
});

test('the one that breaks the handler takes nobody else with it', async () => {
  const { submit, calls, clock, idle } = await open(
    async (items) => {
      for (const item of items) {
        if (item.input.n === 2) throw new NonRetryableError('two is impossible');
        await Promise.resolve();
      }
      for (const item of items) item.complete({ square: 1 });
    },
    { retry: 2 },
  );
  const [one, two, three] = await submit(1, 2, 3);
  await idle();
  await clock.advance('5s');
  expect(await Promise.all([one?.result(), three?.result()])).toEqual([{ square: 1 }, { square: 1 }]);
  expect(await two?.status()).toMatchObject({ status: 'failed', error: { message: 'two is impossible' } });
  expect(calls.map((call) => call.length)).toEqual([3, 1, 1, 1]);
});

test('an output that its schema refuses is the failure of that task alone', async () => {
  const { submit, idle } = await open(completeAll, { retry: 1 });
  const [one, large] = await submit(1, 11, 3);
  expect(await one?.result()).toEqual({ square: 1 });
  await idle();
  expect(await large?.status()).toMatchObject({ status: 'dead', error: { code: 'invalid_output' } });
});

test('what is said first counts', async () => {
  const { submit } = await open(async (items) => {
    for (const item of items) {
      item.complete({ square: 1 });
      item.complete({ square: 2 });
      item.fail(new Error('too late'));
    }
  });
  const runs = await submit(1, 2, 3);
  expect(await Promise.all(runs.map((run) => run.result()))).toEqual([{ square: 1 }, { square: 1 }, { square: 1 }]);
});

test('one that is cancelled while it waits is left out, and the others wait for one more', async () => {
  const { submit, calls, client, idle } = await open(completeAll, { wait: '10s' });
  await submit(1, 2);
  await idle();
  await client.run('square', 'n1').cancel();
  await idle();
  await submit(3);
  await idle();
  expect(calls).toEqual([]);
  await submit(4);
  await idle();
  expect(calls.map((call) => call.toSorted((a, b) => a - b))).toEqual([[2, 3, 4]]);
});

test('the handler is told to stop when none of its tasks is left to be done', async () => {
  const seen: boolean[] = [];
  const told = Promise.withResolvers<unknown>();
  const { submit, client, idle } = await open(async ([first], { abortSignal }) => {
    first?.complete({ square: 1 });
    abortSignal.addEventListener('abort', () => told.resolve(abortSignal.reason));
    seen.push(abortSignal.aborted);
    await told.promise;
    seen.push(abortSignal.aborted);
  });
  const runs = await submit(1, 2, 3);
  await runs[0]?.result();
  for (const run of runs.slice(1)) {
    await idle();
    expect(seen).toEqual([false]);
    await run.cancel();
  }
  expect(await told.promise).toMatchObject({ code: 'task_cancelled' });
  await idle();
  expect(seen).toEqual([false, true]);
  expect((await client.run('square', 'n2').status()).status).toBe('cancelled');
});

test('its context is that of the batch, and can do nothing that a record is needed for', async () => {
  const contexts: object[] = [];
  const { submit } = await open(async (items, ctx) => {
    contexts.push(ctx);
    await completeAll(items, ctx);
  });
  const [run] = await submit(1, 2, 3);
  await run?.result();
  expect(contexts).toMatchObject([{ id: 'n1', attempt: 1, abortSignal: expect.any(AbortSignal) }]);
  for (const name of ['step', 'submit', 'progress', 'tools', 'stream']) expect(contexts[0]).not.toHaveProperty(name);
});

test('tasks whose process died in a batch are handled alone, for one of them may have killed it', async () => {
  let dead = false;
  const { submit, calls, clock, idle, crash } = await open(async (items, ctx) => {
    if (!dead) await new Promise(() => {});
    await completeAll(items, ctx);
  });
  const runs = await submit(1, 2, 3);
  await idle();
  dead = true;
  await crash();
  await clock.advance('1m');
  expect(await Promise.all(runs.map((run) => run.result()))).toHaveLength(3);
  expect(calls.map((call) => call.length)).toEqual([3, 1, 1, 1]);
});

test('a batch is told to stop when its worker is', async () => {
  const reasons: unknown[] = [];
  const { submit, idle, close } = await open(
    (_items, { abortSignal }) =>
      new Promise((_, reject) => {
        abortSignal.addEventListener('abort', () => {
          reasons.push(abortSignal.reason);
          reject(abortSignal.reason);
        });
      }),
  );
  await submit(1, 2, 3);
  await idle();
  await close();
  expect(reasons).toEqual([expect.objectContaining({ code: 'drained' })]);
});

test('what its calls of models cost is divided among its tasks', async () => {
  const model = new MockLanguageModelV4({
    doGenerate: async () => ({
      content: [{ type: 'text', text: 'yes' }],
      finishReason: { unified: 'stop', raw: 'stop' },
      usage: {
        inputTokens: { total: 10, noCache: 10, cacheRead: 0, cacheWrite: 0 },
        outputTokens: { total: 3, text: 3, reasoning: 0 },
      },
      warnings: [],
    }),
  });
  const judge = defineTask({ name: 'judge', input, output: z.string() }).runBatch({ size: 3 }, async (ctx, items) => {
    const { text } = await generateText({ model: ctx.model('fast'), prompt: `judge ${items.length}` });
    for (const item of items) item.complete(text);
  });
  const { client, close } = await testRuntime(
    defineApp({
      pools: { default: { workers: { min: 3, max: 3 } } },
      tasks: [judge],
      budgets: { b: { concurrent: 1 } },
      models: { fast: [{ model, budget: 'b', price: { input: 3, output: 0 } }] },
    }),
  );
  onTestFinished(close);
  const runs = await Promise.all([1, 2, 3].map((n) => client.submit(judge, { n })));
  for (const run of runs) expect(await run.result()).toBe('yes');
  const usages = await Promise.all(runs.map(async (run) => (await run.status()).usage));
  expect(usages.map(({ inputTokens }) => inputTokens).toSorted((a, b) => a - b)).toEqual([3, 3, 4]);
  expect(usages.map(({ outputTokens }) => outputTokens)).toEqual([1, 1, 1]);
  for (const { usd } of usages) expect(usd).toBeCloseTo(0.00001, 10);
  expect(model.doGenerateCalls).toHaveLength(1);
});

test.each([
  [{ size: 0 }, 'task "b": batch.size: 0 is no whole number from 1 to 1000'],
  [{ size: 1_001 }, 'task "b": batch.size: 1001 is no whole number from 1 to 1000'],
  [{ size: 1, wait: '11s' }, 'task "b": batch.wait: \'11s\' is out of bounds; give 0ms to 10s'],
] as const)('a batch of %j is a mistake', (batch, told) => {
  const task = defineTask({ name: 'b', input }).runBatch(batch, async () => {});
  expect(mistakesOf(loose({ tasks: [task] }))).toEqual([told]);
});

test('the last handler given is the one', () => {
  const single = async (): Promise<void> => {};
  const batched = async (): Promise<void> => {};
  const contract = defineTask({ name: 'b', input });
  expect(contract.run(single).runBatch({ size: 2 }, batched)).toMatchObject({ batch: { size: 2, handler: batched } });
  expect(contract.runBatch({ size: 2 }, batched).run(single).batch).toBeUndefined();
  expect(contract.run(single).runBatch({ size: 2 }, batched).handler).toBeUndefined();
});
