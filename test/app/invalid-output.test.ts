import { generateText, stepCountIs, tool } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { defineApp, defineTask, type TaskCtx, testRuntime } from '../../src/index.ts';
import { promptOf, said } from '../llm/models-world.ts';

/** A task whose output is a number, and a model that says these words, one after the other, and then `1`. */
const setup = async (
  words: readonly string[],
  run: (ctx: TaskCtx) => Promise<unknown>,
  more: { readonly max?: number; readonly cache?: '1h' } = {},
) => {
  const left = [...words];
  const asked: string[] = [];
  const model = new MockLanguageModelV4({
    doGenerate: async (call) => {
      asked.push(promptOf(call));
      const next = left.shift() ?? '1';
      if (!next.startsWith('call ')) return said(next);
      const called = { type: 'tool-call' as const, toolCallId: next, toolName: 'look', input: '{}' };
      return { ...said(''), content: [called], finishReason: { unified: 'tool-calls', raw: undefined } };
    },
  });
  const count = defineTask({
    name: 'count',
    input: z.object({}),
    output: z.object({ n: z.coerce.number() }),
    retry: { max: more.max ?? 3, backoff: { first: 1 } },
    run: async (ctx) => ({ n: await run(ctx) }),
  });
  const app = defineApp({
    tasks: [count],
    budgets: { b: { concurrent: 5 } },
    models: { fast: [{ model, budget: 'b', ...(more.cache && { cache: more.cache }) }] },
  });
  const runtime = await testRuntime(app);
  onTestFinished(() => runtime.close());
  const ended = async () => {
    const submitted = await runtime.client.submit(count, {});
    await runtime.idle();
    await runtime.clock.advance('1m');
    return submitted.status();
  };
  return { asked, ended };
};

const ask = async (ctx: TaskCtx, prompt = 'how many?'): Promise<string> =>
  (await generateText({ model: ctx.model('fast'), prompt })).text;

test('an answer of which a handler made what the task’s schema refuses is forgotten, and what it cost is not', async () => {
  const { asked, ended } = await setup(['many', 'a few'], (ctx) => ask(ctx));
  expect(await ended()).toMatchObject({
    status: 'completed',
    attempt: 3,
    usage: { inputTokens: 30, outputTokens: 15 },
  });
  expect(asked).toHaveLength(3);
});

test('so are all that no step follows, for nobody can tell which it was', async () => {
  const { asked, ended } = await setup(['many', '2', 'a few', '3'], async (ctx) => {
    await ask(ctx, 'before');
    await ctx.step('kept', () => 1);
    const [a, b] = await Promise.all([ask(ctx, 'one'), ask(ctx, 'two')]);
    return Number(a) + Number(b);
  });
  // `2` and `a few` make no number; `3` and `1` do.
  expect(await ended()).toMatchObject({ status: 'completed', attempt: 2 });
  expect(asked).toEqual(['before', 'one', 'two', 'one', 'two']);
});

test('one that something was done upon stays: a tool does not run again', async () => {
  const looked: string[] = [];
  const { asked, ended } = await setup(['call 1', 'many'], async (ctx) => {
    const look = tool({
      inputSchema: z.object({}),
      execute: (_input, { toolCallId }) => looked.push(toolCallId),
    });
    const tools = ctx.tools({ look });
    const { text } = await generateText({ model: ctx.model('fast'), prompt: 'look', tools, stopWhen: stepCountIs(3) });
    return text;
  });
  expect(await ended()).toMatchObject({ status: 'completed', attempt: 2 });
  expect(looked).toEqual(['call 1']);
  expect(asked).toHaveLength(3);
});

test('a task whose answers are all built upon fails until it is dead, and asks nobody again', async () => {
  const { asked, ended } = await setup(['many'], async (ctx) => {
    const text = await ask(ctx);
    await ctx.step('save', () => text);
    return text;
  });
  expect(await ended()).toMatchObject({ status: 'dead', attempt: 3, error: { code: 'invalid_output' } });
  expect(asked).toHaveLength(1);
});

test('a forgotten answer does not come back from the cache, and the one after it takes its place there', async () => {
  const { asked, ended } = await setup(['many'], (ctx) => ask(ctx), { cache: '1h' });
  expect(await ended()).toMatchObject({ status: 'completed', attempt: 2 });
  expect(await ended()).toMatchObject({ status: 'completed', attempt: 1 });
  expect(asked).toHaveLength(2);
});

test('a handler that misses its schema by itself has nothing to forget', async () => {
  const { asked, ended } = await setup([], async () => 'none', { max: 2 });
  expect(await ended()).toMatchObject({ status: 'dead', attempt: 2, error: { code: 'invalid_output' } });
  expect(asked).toEqual([]);
});
