import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import type { EmbeddingModelV4 } from '@ai-sdk/provider';
import { embed, generateText } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { expect, onTestFinished, test, vi } from 'vitest';
import { z } from 'zod';
import { startModelServer } from '../../src/dev/model-server.ts';
import { defineApp, defineTask, modelFetch } from '../../src/index.ts';
import { limitedWorld, warnings } from './limited-world.ts';
import { said } from './models-world.ts';

const own = (modelId: string) =>
  new MockLanguageModelV4({ provider: 'own', modelId, doGenerate: async () => said('fine') });

const vectors: EmbeddingModelV4 = {
  specificationVersion: 'v4',
  provider: 'own',
  modelId: 'ada',
  maxEmbeddingsPerCall: 10,
  supportsParallelCalls: true,
  doEmbed: async ({ values }) => ({ embeddings: values.map(() => [1]), warnings: [] }),
};

const setup = async () => {
  const server = await startModelServer({ latencyMs: 0 });
  onTestFinished(() => server.stop());
  const wired = createOpenAICompatible({ name: 'local', baseURL: server.url, apiKey: 'none', fetch: modelFetch })('w');
  const budget = 'b';
  const ask = defineTask({
    name: 'ask',
    input: z.object({}),
    run: async (ctx) => {
      for (const name of ['wired', 'own', 'own']) await generateText({ model: ctx.model(name), prompt: 'hi' });
      for (const value of ['a', 'b']) await embed({ model: ctx.embedding('vectors'), value });
      await ctx.permit(budget, async () => 1);
      await modelFetch(server.url); // Without a permit.
    },
  });
  const app = defineApp({
    tasks: [ask],
    budgets: { b: { concurrent: 5 } },
    models: { wired: [{ model: wired, budget }], own: [{ model: own('tiny'), budget }] },
    embeddings: { vectors: [{ model: vectors, budget }] },
  });
  const { log, of } = warnings();
  return { ask, of, ...(await limitedWorld(app, log)) };
};

test('a provider with a transport of its own works, is said to once, and its calls are counted', async () => {
  const emitted = vi.spyOn(process, 'emitWarning').mockReturnValue();
  onTestFinished(() => emitted.mockRestore());
  const { producer, ask, of, metrics } = await setup();
  for (const _ of [1, 2]) await (await producer.submit(ask, {})).result();
  expect(of('not at the wire')).toEqual([
    { model: 'own', by: 'own/tiny' },
    { model: 'vectors', by: 'own/ada' },
  ]);
  const text = await metrics.text();
  expect(text).toContain('troupe_limiter_unwired_total{model="own"} 4');
  expect(text).toContain('troupe_limiter_unwired_total{model="vectors"} 4');
  expect(text).toContain('troupe_limiter_unwired_total{model="wired"} 0');
  // What leaves without a permit has no runtime's log: Node's own warnings say it.
  expect(text).toContain('troupe_limiter_unchecked_total 2');
  expect(emitted.mock.calls).toEqual([[expect.stringContaining('without a permit'), 'TroupeWarning']]);
});
