import { expect, test } from 'vitest';
import { memoryBroker } from '../../../src/bus/memory/broker.ts';
import type { Delivery } from '../../../src/bus/queue.ts';
import { seededRandom } from '../../../src/kernel/random.ts';
import { virtualClock } from '../../../src/kernel/virtual-clock.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

const setup = async (seed = 1) => {
  const clock = virtualClock();
  const broker = memoryBroker({ clock, random: seededRandom(seed) });
  const connection = broker.connect();
  await connection.queue.ensureStream({ name: 'WORK', subjects: ['work.>'], keep: 'work' });
  await connection.queue.ensureConsumer({
    stream: 'WORK',
    name: 'all',
    filter: 'work.>',
    ackWaitMs: 1_000,
    maxAckPending: 10,
  });
  const deliveries: Delivery[] = [];
  const ends: [number, string][] = [];
  const consumer = connection.queue.consume('WORK', 'all', {
    deliver: (delivery) => deliveries.push(delivery),
    ended: (left, reason) => ends.push([left, reason]),
  });
  return { clock, broker, ...connection, deliveries, ends, consumer };
};

test('a message that is not settled within the ack wait is handed out again, and an ack takes it out', async () => {
  const { clock, queue, deliveries, ends, consumer } = await setup();
  const { seq } = await queue.publish('work.a', bytes('1'));
  consumer.pull({ batch: 2, waitMs: 3_000 });
  await clock.settle();
  expect(deliveries.map(({ deliveries: count }) => count)).toEqual([1]);
  await clock.advance(1_000);
  expect(deliveries.map(({ deliveries: count }) => count)).toEqual([1, 2]);
  deliveries[0]?.ack();
  await clock.settle();
  expect(await queue.get('WORK', seq)).toBeUndefined();
  expect(await queue.consumerInfo('WORK', 'all')).toMatchObject({ pending: 0, ackPending: 0, waiting: 0 });
  expect(ends).toEqual([]);
});

test('a publish that succeeds and times out is stored, and the same again is a conflict', async () => {
  const { clock, broker, queue } = await setup();
  broker.next('publish', 'succeed_and_time_out', { subject: 'work.*' });
  const first = expect(queue.publish('work.a', bytes('1'), { expectSeq: 0 })).rejects.toMatchObject({
    code: 'timeout',
  });
  await clock.advance(5_000);
  await first;
  await expect(queue.publish('work.a', bytes('1'), { expectSeq: 0 })).rejects.toMatchObject({
    code: 'conflict',
    revision: 1,
  });
  expect(text((await queue.last('WORK', 'work.*'))?.data ?? bytes(''))).toBe('1');
});
