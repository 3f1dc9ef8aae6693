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

const open = async () => {
  const clock = virtualClock();
  const random = seededRandom(1);
  const broker = memoryBroker({ clock, random, log: silentLog });
  const done: unknown[] = [];
  const note = defineTask({ name: 'note', input: z.number(), run: async (_ctx, n) => void done.push(n) });
  const app = resolveApp(defineApp({ tasks: [note] }));
  await startNode({ app, broker, store: memoryStore(), clock, random, name: 'a' });
  const { queue } = broker.connect();
  return { clock, broker, queue, done };
};

test('a node without its broker asks again at a steady rate, however long, and goes on when it is back', async () => {
  const { clock, broker, queue, done } = await open();
  broker.stop();
  await clock.advance(10_000);
  const waiting = clock.pending;
  await clock.advance(300_000);
  expect(clock.pending).toBeLessThanOrEqual(waiting + 10);
  broker.start();
  await clock.advance(1_000);
  await queue.publish(subjects.task('note'), encodeJson(1));
  await clock.advance(1_000);
  expect(done).toEqual([1]);
});
