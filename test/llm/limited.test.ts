import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText } from 'ai';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { admission } from '../../src/app/admission.ts';
import { registry } from '../../src/app/registry.ts';
import { resolveApp } from '../../src/app/resolve.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { client } from '../../src/client/client.ts';
import { startModelServer } from '../../src/dev/model-server.ts';
import { defineApp, defineTask, modelFetch } from '../../src/index.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { runtime } from '../../src/runtime.ts';
import { memoryStore } from '../../src/store/memory.ts';

/** A node in memory, but on the real clock and with its own limiter, in front of a server that enforces the same. */
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
  const app = resolveApp(
    defineApp({
      tasks: [ask],
      pools: { default: { workers: { min: 20, max: 20 } } },
      budgets: { b: { requests: { limit: requests, per: perMs } } },
      models: { fast: [{ model, budget: 'b' }] },
    }),
  );
  const [clock, random, metrics] = [systemClock, seededRandom(1), createMetrics()];
  const broker = memoryBroker({ clock, random, log: silentLog });
  const parts = { clock, random, log: silentLog, metrics, app, store: memoryStore(), ...broker.connect() };
  const life = new AbortController();
  const { start, doors } = runtime({
    ...parts,
    projects: true,
    node: 'n',
    version: '0.0.0',
    region: 'main',
    ackWaitMs: 30_000,
    graceMs: 5_000,
    recordLifeMs: 3_600_000,
    replicas: 1,
    queueBytes: 64 * 1024 * 1024,
  });
  const { exit } = await start(life.signal);
  const edge = { admission: admission(registry(app)), pools: ['default'] };
  const producer = client({ ...broker.connect(), clock, random, log: silentLog, region: 'main', edge });
  onTestFinished(async () => {
    await producer.close();
    life.abort();
    await exit;
    doors.close();
  });
  return { server, producer, ask, metrics };
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
