/** A budget's key that goes away while its limiters run: what had been taken is not known then. */
import { expect, test } from 'vitest';
import type { Queue } from '../../src/bus/queue.ts';
import { opened, wishes } from './limiter-world.ts';

const subject = '$KV.limits.tier1';

test.each<readonly [string, (queue: Queue) => Promise<unknown>]>([
  ['purged, of which no watch tells', (queue) => queue.purge('KV_limits', subject)],
  ['deleted', (queue) => queue.publish(subject, new Uint8Array(), { headers: { 'KV-Operation': 'DEL' } })],
])('a key that is %s closes the budget for a window, and is there again soon', async (_, takeAway) => {
  const { node, client, clock, broker, status } = await opened();
  let writes = 0;
  const counted = ({ queue }: { readonly queue: Queue }) => ({
    queue: {
      ...queue,
      publish: (...write: Parameters<Queue['publish']>) => {
        writes += 1;
        return queue.publish(...write);
      },
    },
  });
  for (const name of ['a', 'b']) await node(name, counted);
  const one = client('one');
  const got = await one.wait(wishes(10), 1_000);
  expect(got.size).toBe(10);
  await one.settle(...[...got.values()].map((permit) => ({ type: 'sent', permit })));
  const { queue } = broker.connect();
  const before = writes;
  await Promise.all([takeAway(queue), clock.advance(50)]);
  await clock.advance(3_000);
  const { epoch, closedMs } = await status();
  expect(epoch).toBe(2);
  expect(closedMs).toBeGreaterThan(7_000);
  expect((await one.wait([{ id: 'x' }], 7_000)).size).toBe(0);
  expect((await one.wait([{ id: 'x' }], 4_000)).size).toBe(1);
  expect(writes - before).toBeLessThan(120); // Some four a second, as always.
});
