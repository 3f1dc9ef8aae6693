import { MockLanguageModelV4 } from 'ai/test';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineApp, defineTask, type TaskCtx } from '../../src/index.ts';
import { limitedWorld } from '../llm/limited-world.ts';

const attempts: Readonly<Record<string, (ctx: TaskCtx) => unknown>> = {
  model: (ctx) => ctx.model('fsat'),
  embedding: (ctx) => ctx.embedding('vectors'),
  budget: (ctx) => ctx.permit('c', async () => 1),
  negative: (ctx) => ctx.permit('b', async () => 1, { tokens: -1 }),
  nan: (ctx) => ctx.permit('b', async () => 1, { tokens: Number.NaN }),
  huge: (ctx) => ctx.permit('b', async () => 1, { tokens: 1e12 }),
  large: (ctx) => ctx.permit('b', async () => 1, { tokens: 1_001 }),
  bound: (ctx) => ctx.model('fast').doGenerate({ prompt: [], maxOutputTokens: Number.NaN }),
};

test.each([
  [
    'model',
    'there is no model "fsat"; did you mean "fast"?',
    'model_errors_total{model="unknown",reason="unknown_model"}',
  ],
  ['embedding', 'there is no embedding "vectors"', 'model_errors_total{model="unknown",reason="unknown_model"}'],
  [
    'budget',
    'there is no budget "c"; did you mean "b"?',
    'limiter_refused_total{budget="unknown",reason="unknown_budget"}',
  ],
  ['negative', 'the tokens of a permit are -1', 'limiter_refused_total{budget="b",reason="not_an_amount"}'],
  ['nan', 'the tokens of a permit are NaN', 'limiter_refused_total{budget="b",reason="not_an_amount"}'],
  ['huge', 'the tokens of a permit are 1000000000000', 'limiter_refused_total{budget="b",reason="not_an_amount"}'],
  ['large', 'budget "b" never allows 1001 tokens', 'limiter_refused_total{budget="b",reason="too_large"}'],
  ['bound', 'maxOutputTokens is NaN', 'model_errors_total{model="fast",reason="no_permit"}'],
])(
  'what no attempt can have fails the task at once, with what is wrong, and is counted: %s',
  async (what, told, metric) => {
    const ask = defineTask({
      name: 'ask',
      input: z.object({}),
      run: async (ctx) => void (await attempts[what]?.(ctx)),
    });
    const app = defineApp({
      tasks: [ask],
      budgets: { b: { tokens: { limit: 1_000, per: '1m' } } },
      models: { fast: [{ model: new MockLanguageModelV4(), budget: 'b' }] },
    });
    const { producer, metrics } = await limitedWorld(app);
    const run = await producer.submit(ask, {});
    await expect(run.result()).rejects.toThrow(told);
    expect(await run.status()).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'non_retryable' } });
    expect(await metrics.text()).toContain(`troupe_${metric} 1`);
  },
);
