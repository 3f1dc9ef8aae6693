/** A node that stops, as its pools do it together. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { resolveApp } from '../../src/app/resolve.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { subjects } from '../../src/bus/subjects.ts';
import { defineApp, defineTask } from '../../src/index.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { encodeJson } from '../../src/bus/json.ts';
import { startNode } from '../../src/testing/node.ts';

test('no pool begins anything while another one drains, and all have one grace', async () => {
  const clock = virtualClock();
  const random = seededRandom(1);
  const broker = memoryBroker({ clock, random, log: silentLog });
  const begun: string[] = [];
  const lasting = (pool: string, ms: number) =>
    defineTask({
      name: `of-${pool}`,
      input: z.number(),
      pool,
      timeout: '1h',
      run: async (ctx) => {
        begun.push(pool);
        await clock.sleep(ms, ctx.abortSignal);
      },
    });
  const one = { workers: { min: 1, max: 1 } };
  const app = resolveApp(
    defineApp({
      tasks: [lasting('short', 3_000), lasting('long', 600_000), lasting('longer', 900_000)],
      pools: { short: one, long: one, longer: one },
    }),
  );
  const starting = startNode({ app, broker, store: memoryStore(), clock, random, name: 'a' });
  await clock.advance(1_000);
  const node = await starting;
  const { queue } = broker.connect();
  for (const task of ['of-long', 'of-longer', ...Array.from({ length: 20 }, () => 'of-short')])
    await queue.publish(subjects.task(task), encodeJson(1));
  await clock.advance(1_000);
  expect(begun.toSorted()).toEqual(['long', 'longer', 'short']);
  const from = clock.monotonic();
  let endedMs: number | undefined;
  const stopped = node.stop().then(() => {
    endedMs = clock.monotonic() - from;
  });
  await clock.advance(120_000);
  await stopped;
  expect(begun).toHaveLength(3);
  expect(endedMs).toBeLessThan(30_000);
});
