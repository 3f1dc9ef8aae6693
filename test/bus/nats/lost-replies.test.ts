import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../src/kernel/clock.ts';
import { systemRandom } from '../../../src/kernel/random.ts';
import { bucket } from '../../../src/kv/bucket.ts';
import { writeUntilKnown } from '../../../src/kv/write.ts';
import { all, bytes, consuming, text, work } from '../../contract/world.ts';
import { startProxy } from '../../setup/proxy.ts';
import { freshNats } from '../../setup/servers.ts';
import { connectTo, statesOf } from './link.ts';

/** One connection through a proxy that loses what it is told to, and one beside it that sees the truth. */
const open = async () => {
  const server = await freshNats();
  const proxy = await startProxy(server.url);
  onTestFinished(proxy.stop);
  const { queue: truth, bus } = await connectTo(server.url);
  await truth.ensureStream(work);
  await truth.ensureStream({ name: 'KV_b', subjects: ['$KV.b.>'], keep: 'last' });
  await truth.ensureConsumer({ ...all, ackWaitMs: 60_000 });
  const link = await connectTo(proxy.url);
  return { proxy, link, queue: link.queue, truth, bus, states: statesOf(link) };
};

test('a publish whose answer is lost is unknown, and was stored', async () => {
  const { proxy, queue, truth } = await open();
  proxy.drop('replies');
  const publish = queue.publish('work.a', bytes('x'), { expectSeq: 0, timeoutMs: 300 });
  await expect(publish).rejects.toMatchObject({ code: 'timeout' });
  expect(await truth.last('WORK', 'work.a')).toMatchObject({ seq: 1 });
});

test('a publish is unknown as soon as the connection that would have brought its answer is gone', async () => {
  const { proxy, queue, truth } = await open();
  proxy.pause('replies');
  const since = systemClock.monotonic();
  const publish = queue.publish('work.a', bytes('x'), { timeoutMs: 60_000 });
  const unknown = expect(publish).rejects.toMatchObject({ code: 'timeout' });
  await expect.poll(() => truth.last('WORK', 'work.a')).toBeDefined();
  proxy.cut();
  await unknown;
  expect(systemClock.monotonic() - since).toBeLessThan(5_000);
});

test('a write whose answer was lost is repeated until it is known, and finds its own', async () => {
  const { proxy, queue, truth, states } = await open();
  const kv = bucket(queue, 'b');
  proxy.drop('replies');
  const write = { value: bytes('mine'), isMine: ({ value }: { value: Uint8Array }) => text(value) === 'mine' };
  const own = { clock: systemClock, random: systemRandom };
  const written = writeUntilKnown(kv, { key: 'a', expected: 0, ...write, ...own });
  await expect.poll(() => truth.last('KV_b', '$KV.b.a')).toBeDefined();
  proxy.cut();
  proxy.pass();
  expect(await written).toEqual({ type: 'written', revision: 1 });
  expect(states.items).toEqual(['disconnected', 'connected']);
  expect((await truth.streamInfo('KV_b')).lastSeq).toBe(1);
});

test('a write whose answer was lost, and which another has replaced, is lost', async () => {
  const { proxy, queue, truth } = await open();
  const kv = bucket(queue, 'b');
  proxy.drop('replies');
  const write = { value: bytes('mine'), isMine: ({ value }: { value: Uint8Array }) => text(value) === 'mine' };
  const own = { clock: systemClock, random: systemRandom };
  const written = writeUntilKnown(kv, { key: 'a', expected: 0, ...write, ...own });
  await expect.poll(() => truth.last('KV_b', '$KV.b.a')).toBeDefined();
  await bucket(truth, 'b').update('a', bytes('theirs'), 1);
  proxy.cut();
  proxy.pass();
  expect(await written).toMatchObject({ type: 'lost', current: { key: 'a', revision: 2 } });
});

test('deliveries that were cut off come again, and their pull is lost at once', async () => {
  const { proxy, queue, truth } = await open();
  await truth.ensureConsumer({ ...all, ackWaitMs: 1_000 });
  const consumer = consuming(queue);
  proxy.drop('replies');
  consumer.pull({ batch: 2, waitMs: 30_000 });
  await truth.publish('work.a', bytes('x'));
  await expect.poll(async () => (await truth.consumerInfo('WORK', 'all')).ackPending).toBe(1);
  proxy.cut();
  proxy.pass();
  expect(await consumer.ends.count(1)).toEqual([[2, 'lost']]);
  const other = consuming(truth);
  other.pull({ batch: 1, waitMs: 10_000 });
  expect((await other.deliveries.count(1))[0]).toMatchObject({ seq: 1, deliveries: 2 });
});

test('a pull of which nothing is heard is lost, and what comes late all the same is handed over', async () => {
  const { proxy, queue, truth } = await open();
  const consumer = consuming(queue);
  consumer.pull({ batch: 2, waitMs: 2_000 });
  await expect.poll(async () => (await truth.consumerInfo('WORK', 'all')).waiting).toBe(1);
  proxy.pause('replies');
  await truth.publish('work.a', bytes('x'));
  expect(await consumer.ends.count(1)).toEqual([[2, 'lost']]);
  proxy.pass();
  const [late] = await consumer.deliveries.count(1);
  late?.ack();
  await expect.poll(async () => (await truth.streamInfo('WORK')).messages).toBe(0);
  expect(consumer.ends.items).toHaveLength(1);
});

test('a request whose answer is only late survives a lost connection', async () => {
  const { proxy, link } = await open();
  const server = await connectTo(proxy.url);
  const asked = new Promise<string>((resolve) => {
    server.bus.subscribe('slow', ({ reply }) => resolve(reply ?? ''));
  });
  await server.bus.flush();
  const states = statesOf(link);
  const others = statesOf(server);
  const answer = link.bus.request('slow', bytes('x'), { timeoutMs: 30_000 });
  const reply = await asked;
  proxy.cut();
  await Promise.all([states.count(2), others.count(2)]);
  await link.bus.flush(); // The server knows the inbox again.
  server.bus.publish(reply, bytes('at last'));
  expect(text((await answer).data)).toBe('at last');
});

test('a tail that nobody said had begun is heard no more, and the one that is asked for instead tells all once', async () => {
  const { proxy, link, queue, truth, bus } = await open();
  const seen: unknown[] = [];
  const tail = () =>
    queue.tail('KV_b', { filter: '$KV.b.>', from: 'all', deliver: ({ data }) => seen.push(text(data)) });
  proxy.delay(300, 'replies');
  const made = new Promise<void>((resolve) => {
    bus.subscribe('$JS.API.CONSUMER.CREATE.KV_b.>', () => resolve());
  });
  await bus.flush();
  const unknown = expect(tail()).rejects.toMatchObject({ code: 'timeout' });
  await made;
  proxy.drop('replies');
  proxy.cut();
  proxy.pass();
  await unknown;
  await expect.poll(() => link.bus.connection).toBe('connected');
  await tail();
  await truth.publish('$KV.b.1', bytes('1'));
  await truth.publish('$KV.b.2', bytes('2'));
  await truth.publish('$KV.b.3', bytes('3'));
  await expect.poll(() => seen.at(-1)).toBe('3');
  await link.bus.flush();
  expect(seen).toEqual(['1', '2', '3']);
});
