import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText } from 'ai';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { startModelServer } from '../../src/dev/model-server.ts';
import { defineApp, defineTask, modelFetch } from '../../src/index.ts';
import { limitedWorld } from './limited-world.ts';

/** In front of a server that enforces the same. */
const setup = async (requests: number, perMs: number) => {
  const server = await startModelServer({ latencyMs: 0, limits: { requests: { limit: requests, perMs } } });
  onTestFinished(() => server.stop());
  const model = createOpenAICompatible({ name: 'local', baseURL: server.url, apiKey: 'none', fetch: modelFetch })(
    'tiny',
  );
  const ask = defineTask({
    name: 'ask',
    input: z.object({ n: z.number() }),
    output: z.object({ text: z.string() }),
    run: async (ctx, { n }) => {
      const { text } = await generateText({ model: ctx.model('fast'), prompt: `Number ${n}`, maxOutputTokens: 50 });
      return { text };
    },
  });
  const app = defineApp({
    tasks: [ask],
    pools: { default: { workers: { min: 20, max: 20 } } },
    budgets: { b: { requests: { limit: requests, per: perMs } } },
    models: { fast: [{ model, budget: 'b' }] },
  });
  return { server, ask, ...(await limitedWorld(app)) };
};

test('five times as many calls as the window takes are all answered, and none is refused by the provider', async () => {
  const { server, producer, ask, metrics } = await setup(20, 1_000);
  const runs = await Promise.all(Array.from({ length: 100 }, (_, n) => producer.submit(ask, { n })));
  const results = await Promise.all(runs.map((run) => run.result()));
  expect(results).toHaveLength(100);
  expect(server.refused).toBe(0);
  expect(server.arrivals()).toHaveLength(100);
  expect(await metrics.text()).toContain('troupe_model_calls_total{model="fast",outcome="answered"} 100');
}, 30_000);
