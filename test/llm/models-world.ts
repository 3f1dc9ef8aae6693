/** An app that asks a model, in a runtime in memory, with the provider in the test's hands. */
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4GenerateResult,
  LanguageModelV4StreamPart,
} from '@ai-sdk/provider';
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { type Config, defineApp, defineTask, type TaskCtx } from '../../src/index.ts';
import type { Duration } from '../../src/kernel/duration.ts';
import { testRuntime } from '../../src/testing/runtime.ts';

export const usage = (input: number, output: number) => ({
  inputTokens: { total: input, noCache: input, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: output, text: output, reasoning: 0 },
});

export const said = (text: string, tokens = usage(10, 5)): LanguageModelV4GenerateResult => ({
  content: [{ type: 'text', text }],
  finishReason: { unified: 'stop', raw: 'stop' },
  usage: tokens,
  warnings: [],
});

/** The parts of a stream that says these words. */
export const spoken = (...words: readonly string[]): LanguageModelV4StreamPart[] => [
  { type: 'stream-start', warnings: [] },
  { type: 'response-metadata', id: 'resp-1', modelId: 'tiny-1', timestamp: new Date(1_000) },
  { type: 'text-start', id: '1' },
  ...words.map((delta): LanguageModelV4StreamPart => ({ type: 'text-delta', id: '1', delta })),
  { type: 'text-end', id: '1' },
  { type: 'finish', finishReason: { unified: 'stop', raw: 'stop' }, usage: usage(10, words.length) },
];

export const streamOf = (parts: readonly LanguageModelV4StreamPart[]): ReadableStream<LanguageModelV4StreamPart> =>
  new ReadableStream({
    start: (controller) => {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });

/** What was asked last, as text. */
export const promptOf = ({ prompt }: LanguageModelV4CallOptions): string => {
  const last = prompt.at(-1);
  if (!last || last.role === 'system') return last?.content ?? '';
  return last.content.map((part) => (part.type === 'text' ? part.text : '')).join('');
};

type Models = NonNullable<Config<'big' | 'small'>['models']>;

/** A runtime with one task, `ask`, which does this. */
export const world = async (
  models: Models,
  run: (ctx: TaskCtx, attempt: number) => Promise<object | string | undefined>,
  policy: {
    readonly retry?: { readonly max: number; readonly backoff?: { readonly first: Duration } };
    readonly deadline?: '5s';
    readonly timeout?: '2s';
  } = {},
) => {
  const ask = defineTask({
    name: 'ask',
    input: z.object({}),
    output: z.object({ said: z.unknown() }),
    ...policy,
    retry: { max: 3, backoff: { first: 1 }, ...policy.retry },
    run: async (ctx) => ({ said: await run(ctx, ctx.attempt) }),
  });
  const budgets = { big: { tokens: { limit: 1e6, per: '1m' } }, small: { concurrent: 1 } } as const;
  const runtime = await testRuntime(defineApp({ tasks: [ask], budgets, models }));
  onTestFinished(() => runtime.close());
  return { ...runtime, ask };
};
