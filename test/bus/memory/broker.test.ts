import { expect, test } from 'vitest';
import type { Message } from '../../../src/bus/bus.ts';
import { bytes, collect, text } from '../../contract/world.ts';
import { open } from './world.ts';

test('nothing is delivered in the caller’s stack', async () => {
  const { clock, bus, queue, consumer } = await open();
  const heard = collect<Message>();
  bus.subscribe('a', heard.push);
  await queue.publish('work.a', bytes('1'));
  bus.publish('a', bytes('x'));
  consumer.pull({ batch: 2, waitMs: 0 });
  await Promise.resolve();
  expect([heard.items, consumer.deliveries.items, consumer.ends.items]).toEqual([[], [], []]);
  await clock.settle();
  expect([heard.items.length, consumer.deliveries.items.length, consumer.ends.items.length]).toEqual([1, 1, 1]);
});

test('data is a copy, on the way in and on the way out', async () => {
  const { queue } = await open();
  const data = bytes('1');
  const publish = queue.publish('log.a', data);
  data.fill(0);
  await publish;
  (await queue.last('LOG', 'log.a'))?.data.fill(0);
  expect(text((await queue.last('LOG', 'log.a'))?.data)).toBe('1');
});

test('a termination tells why, in the words of the server’s advisory', async () => {
  const { bus, queue, consumer } = await open();
  const advisories = collect<Message>();
  bus.subscribe('$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.>', advisories.push);
  const { seq } = await queue.publish('work.a', bytes('1'));
  consumer.pull({ batch: 1, waitMs: 0 });
  (await consumer.deliveries.count(1))[0]?.term('not for us');
  const [advisory] = await advisories.count(1);
  expect(JSON.parse(text(advisory?.data) ?? '')).toMatchObject({
    stream_seq: seq,
    consumer: 'all',
    reason: 'not for us',
  });
});

test('the end of a message that is in hands settles, with an ack through, all before it: they never come again', async () => {
  const { clock, queue } = await open();
  const spec = { stream: 'LATEST', name: 'all', filter: 'latest.>', ackWaitMs: 1_000, maxAckPending: 10 };
  await queue.ensureConsumer({ ...spec, ack: 'through' });
  for (const key of ['a', 'b', 'c']) await queue.publish(`latest.${key}`, bytes('1'));
  const consumer = queue.consume('LATEST', 'all', { deliver: () => {}, ended: () => {} });
  consumer.pull({ batch: 3, waitMs: 0 });
  await clock.settle();
  await queue.publish('latest.b', bytes('2'));
  expect(await queue.consumerInfo('LATEST', 'all')).toMatchObject({ ackPending: 1, pending: 1, ackFloor: 2 });
});

test('after a purge of what is in hands, no nak is taken for what was handed out before it', async () => {
  const { clock, queue, consumer } = await open();
  for (const name of ['a', 'b', 'c']) await queue.publish(`work.${name}`, bytes('1'));
  consumer.pull({ batch: 10, waitMs: 5_000 });
  const [first, , third] = await consumer.deliveries.count(3);
  await queue.purge('WORK', 'work.b');
  first?.nak();
  third?.nak();
  await clock.settle();
  expect(consumer.deliveries.items.slice(3).map(({ subject }) => subject)).toEqual(['work.c']);
  await clock.advance(1_000);
  expect(consumer.deliveries.items.slice(4).map(({ subject }) => subject)).toEqual(['work.a', 'work.c']);
});

test('what is thrown by who handles a message is told to the log, or thrown on', async () => {
  const errors: unknown[] = [];
  const write = (fields: object | string): number => errors.push(fields);
  const log = { debug: write, info: write, warn: write, error: write, child: () => log };
  const { clock, bus } = await open({ log });
  const error = new Error('not today');
  bus.subscribe('a', () => {
    throw error;
  });
  bus.publish('a', bytes('x'));
  await clock.settle();
  expect(errors).toEqual([{ err: error }]);
});

test('activity stands still when nothing goes on', async () => {
  const { clock, broker, bus } = await open();
  const before = broker.activity;
  await clock.advance(60_000);
  expect(broker.activity).toBe(before);
  bus.publish('a', bytes('x'));
  await clock.settle();
  expect(broker.activity).toBeGreaterThan(before);
});
