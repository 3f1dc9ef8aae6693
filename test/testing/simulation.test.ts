/**
 * The whole runtime under a seed: two nodes, a broker at its nastiest, nodes that die and come back. The same seed is
 * the same run, so whatever a seed finds can be played again: `SEEDS=17 npx vitest run test/testing/simulation`.
 */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { admission } from '../../src/app/admission.ts';
import { registry } from '../../src/app/registry.ts';
import { resolveApp } from '../../src/app/resolve.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import type { FaultRates } from '../../src/bus/memory/faults.ts';
import { client } from '../../src/client/client.ts';
import { defineApp, defineTask } from '../../src/index.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { startNode, type TestNode } from '../../src/testing/node.ts';

const seeds = (process.env['SEEDS'] ?? '1,2,3,4,5,6').split(',').map(Number);
const tasks = 40;

const storm: FaultRates = {
  lostPublish: 0.03,
  unansweredPublish: 0.03,
  refusedPublish: 0.02,
  lostAck: 0.05,
  duplicateDelivery: 0.05,
  lostRead: 0.02,
  staleRead: 0.3,
  lostMessage: 0.1,
  cut: 0.002,
};

const simulate = async (seed: number) => {
  const clock = virtualClock();
  const random = seededRandom(seed);
  const broker = memoryBroker({ clock, random, log: silentLog });
  const store = memoryStore();
  const ran = new Map<string, number>();

  const work = defineTask({
    name: 'work',
    input: z.number(),
    output: z.string(),
    retry: { max: 6, backoff: { first: '1s', factor: 2 } },
    run: async (ctx, n) => {
      const parts: string[] = [];
      for (const name of ['a', 'b', 'c']) {
        parts.push(
          await ctx.step(name, async () => {
            const times = (ran.get(`${n}.${name}`) ?? 0) + 1;
            ran.set(`${n}.${name}`, times);
            await clock.sleep(random.next() * 2_000);
            return `${n}${name}${times}`;
          }),
        );
      }
      if (n % 5 === 0 && ctx.attempt === 1) throw new Error('the first one fails');
      return parts.join(' ');
    },
  });

  const app = resolveApp(defineApp({ tasks: [work], pools: { default: { workers: { min: 5, max: 5 } } } }));
  /** Again and again, as whoever runs nodes would. */
  const start = async (name: string): Promise<TestNode> => {
    for (;;) {
      const node = await startNode({ app, broker, store, clock, random, name }).catch(() => undefined);
      if (node) return node;
      await clock.sleep(1_000);
    }
  };
  const nodes = [await start('a-0'), await start('b-0')];
  const edge = { admission: admission(registry(app)), pools: ['default'] };
  const { bus, queue, blobs } = broker.connect();
  const producer = client({ bus, queue, blobs, clock, random, log: silentLog, region: 'main', edge });

  const submitted = async (n: number): Promise<void> => {
    for (;;) {
      try {
        await producer.submit(work, n, { id: `t${n}` });
        return;
      } catch {
        await clock.sleep(500); // Unknown or not taken: the same again.
      }
    }
  };

  broker.setRates(storm);
  let ended = 0;
  const results = Array.from({ length: tasks }, async (_, n) => {
    await submitted(n);
    for (;;) {
      const status = await producer.run(work, `t${n}`).status().catch(() => undefined);
      if (status && ['completed', 'dead', 'failed'].includes(status.status)) {
        ended += 1;
        return status;
      }
      await clock.sleep(2_000);
    }
  });

  for (let second = 1; ended < tasks && second < 3_600; second += 1) {
    await clock.advance(1_000);
    if (random.next() < 0.02) {
      const index = Math.floor(random.next() * nodes.length);
      nodes[index]?.crash();
      const again = start(`${index === 0 ? 'a' : 'b'}-${second}`);
      let up = false;
      void again.then((node) => {
        nodes[index] = node;
        up = true;
      });
      while (!up) await clock.advance(100);
    }
    if (random.next() < 0.01) broker.restart({ crash: random.next() < 0.5 });
  }
  broker.setRates({});
  await clock.advance(120_000);
  const states = await Promise.all(results);
  const rows = await Promise.all(Array.from({ length: tasks }, (_, n) => store.task('work', `t${n}`)));
  return { states, rows, ran, now: clock.monotonic(), messages: (await queue.streamInfo('WORK_default')).messages };
};

test.each(seeds)('seed %i: every task ends once, and the history agrees', { timeout: 120_000 }, async (seed) => {
  const { states, rows, now, messages } = await simulate(seed);
  expect(now).toBeLessThan(3_600_000);
  expect(states.map(({ status }) => status)).toEqual(rows.map((row) => row?.status));
  expect(messages).toBe(0);
  for (const [n, { status, output }] of states.entries()) {
    if (status === 'completed') expect(String(output)).toMatch(new RegExp(`^${n}a\\d+ ${n}b\\d+ ${n}c\\d+$`));
  }
});
