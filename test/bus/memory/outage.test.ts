import { expect, test } from 'vitest';
import type { Connection } from '../../../src/bus/bus.ts';
import type { Stored } from '../../../src/bus/queue.ts';
import { bytes, collect, consuming, log, text } from '../../contract/world.ts';
import { open } from './world.ts';

test('a restart is heard of, loses open pulls, and keeps what was stored, but not streams in memory', async () => {
  const { clock, broker, bus, queue, consumer } = await open();
  await queue.ensureStream({ ...log, name: 'GONE', subjects: ['gone.>'], storage: 'memory' });
  const states = collect<Connection>();
  bus.onConnection(states.push);
  const { seq } = await queue.publish('work.a', bytes('kept'));
  const { incarnation } = await queue.streamInfo('WORK');
  consumer.pull({ batch: 3, waitMs: 30_000 });
  await consumer.deliveries.count(1);
  broker.restart();
  await clock.settle();
  expect(states.items).toEqual(['disconnected', 'connected']);
  expect(consumer.ends.items).toEqual([[2, 'lost']]);
  expect(text((await queue.get('WORK', seq))?.data)).toBe('kept');
  expect(await queue.streamInfo('WORK')).toMatchObject({ incarnation, lastSeq: seq });
  await expect(queue.streamInfo('GONE')).rejects.toMatchObject({ code: 'not_found' });
});

test('what nobody has settled comes again after its ack wait; after a crash at once, and counted anew', async () => {
  const { clock, broker, queue, consumer } = await open();
  await queue.publish('work.a', bytes('x'));
  consumer.pull({ batch: 1, waitMs: 1_000 });
  await consumer.deliveries.count(1);
  broker.restart();
  consumer.pull({ batch: 1, waitMs: 1_000 });
  await clock.settle();
  consumer.pull({ batch: 1, waitMs: 10_000 });
  await clock.settle();
  expect(consumer.deliveries.items).toHaveLength(1);
  await clock.advance(1_000);
  expect(consumer.deliveries.items.map(({ deliveries }) => deliveries)).toEqual([1, 2]);
  broker.restart({ crash: true });
  await clock.settle();
  consumer.pull({ batch: 1, waitMs: 10_000 });
  await clock.settle();
  expect(consumer.deliveries.items.map(({ deliveries }) => deliveries)).toEqual([1, 2, 1]);
});

test('what was asked while the broker was away is done when it is back, or was not sent at all', async () => {
  const { clock, broker, queue } = await open();
  broker.stop();
  const patient = queue.publish('work.a', bytes('x'), { timeoutMs: 20_000 });
  const hasty = expect(queue.publish('work.b', bytes('x'))).rejects.toMatchObject({ code: 'unavailable' });
  await clock.advance(10_000);
  await hasty;
  broker.start();
  expect(await patient).toEqual({ stream: 'WORK', seq: 1 });
  expect((await queue.streamInfo('WORK')).messages).toBe(1);
});

test('what is on its way when a connection is cut is gone, and unknown to who waits for it', async () => {
  const { clock, broker, connection, bus, queue } = await open();
  const other = broker.connect();
  const heard = collect<string>();
  other.bus.subscribe('a', ({ subject }) => heard.push(subject));
  await other.bus.flush();
  bus.publish('a', bytes('x'));
  const publish = queue.publish('work.a', bytes('x'));
  connection.cut();
  await expect(publish).rejects.toMatchObject({ code: 'timeout' });
  bus.publish('a', bytes('x'));
  await clock.settle();
  expect(heard.items).toEqual([]);
  connection.heal();
  await bus.flush();
  expect((await queue.streamInfo('WORK')).messages).toBe(0);
});

test('a connection that is cut gets no deliveries, and others get them after the ack wait', async () => {
  const { clock, broker, connection, queue, consumer } = await open();
  const other = broker.connect();
  consumer.pull({ batch: 1, waitMs: 60_000 });
  await queue.consumerInfo('WORK', 'all');
  const publish = other.queue.publish('work.a', bytes('x'));
  // One turn for the message to arrive, one to be stored and handed out: now the delivery is on its way.
  clock.immediate(() => clock.immediate(connection.cut));
  await publish;
  await clock.settle();
  expect(await other.queue.consumerInfo('WORK', 'all')).toMatchObject({ ackPending: 1 });
  expect([consumer.deliveries.items, consumer.ends.items]).toEqual([[], [[1, 'lost']]]);
  const second = consuming(other.queue);
  second.pull({ batch: 1, waitMs: 10_000 });
  await clock.advance(1_000);
  expect(second.deliveries.items).toHaveLength(1);
});

test('subscriptions go on after an outage', async () => {
  const { clock, broker, bus } = await open();
  bus.subscribe('echo', ({ reply, data }) => reply && bus.publish(reply, data));
  broker.restart();
  await clock.settle();
  const answer = await broker.connect().bus.request('echo', bytes('hi'));
  expect(text(answer.data)).toBe('hi');
});

test('a tail goes on after outages without a gap and without a repeat', async () => {
  const { clock, broker, connection, queue } = await open();
  const messages = collect<Stored>();
  const caughtUp = collect<true>();
  const other = broker.connect();
  await other.queue.publish('log.a', bytes('1'));
  await queue.tail('LOG', {
    filter: 'log.>',
    from: 'all',
    deliver: messages.push,
    caughtUp: () => caughtUp.push(true),
  });
  await messages.count(1);
  connection.cut();
  await other.queue.publish('log.a', bytes('2'));
  connection.heal();
  await other.queue.publish('log.a', bytes('3'));
  await messages.count(3);
  broker.restart();
  await clock.settle();
  await other.queue.publish('log.a', bytes('4'));
  expect((await messages.count(4)).map(({ data }) => text(data))).toEqual(['1', '2', '3', '4']);
  expect(caughtUp.items).toHaveLength(1);
});

test.each([
  ['all', ['1', '2', 'anew']],
  ['new', ['2', 'anew']],
  [{ seq: 2 }, ['2', 'anew']],
] as const)('a tail of a stream in memory, from %j, starts over when somebody has made it anew', async (from, seen) => {
  const { clock, broker, queue } = await open();
  const tokens = { ...log, name: 'TOKENS', subjects: ['tokens.>'], storage: 'memory' } as const;
  await queue.ensureStream(tokens);
  await queue.publish('tokens.a', bytes('1'));
  const messages = collect<Stored>();
  await queue.tail('TOKENS', { filter: 'tokens.>', from, deliver: messages.push });
  await queue.publish('tokens.a', bytes('2'));
  await messages.count(seen.length - 1);
  broker.restart();
  await clock.settle();
  await queue.ensureStream(tokens);
  await queue.publish('tokens.a', bytes('anew'));
  await clock.advance(1_000);
  expect(messages.items.map(({ data }) => text(data))).toEqual(seen);
});

test('a schedule that fell due while the broker was away fires when it is back', async () => {
  const { clock, broker, queue } = await open();
  const at = queue.now() + 1_000;
  await queue.publish('sched.a', bytes('x'), { schedule: { when: { at }, target: 'due.a' } });
  broker.stop();
  await clock.advance(5_000);
  broker.start();
  await clock.settle();
  expect(await queue.last('SCHED', 'due.a')).toBeDefined();
  expect(await queue.last('SCHED', 'sched.a')).toBeUndefined();
});

test('a time to live goes on while the broker is away', async () => {
  const { clock, broker, queue } = await open();
  await queue.publish('latest.a', bytes('x'), { ttlMs: 2_000 });
  broker.stop();
  await clock.advance(3_000);
  broker.start();
  await clock.settle();
  expect(await queue.last('LATEST', 'latest.a')).toBeUndefined();
});
