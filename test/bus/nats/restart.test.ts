import { expect, test } from 'vitest';
import type { Stored } from '../../../src/bus/queue.ts';
import { all, bytes, collect, consuming, latest, log, text, work } from '../../contract/world.ts';
import { freshNats } from '../../setup/servers.ts';
import { connectTo, serverApi, statesOf } from './link.ts';

const open = async () => {
  const server = await freshNats();
  const link = await connectTo(server.url);
  for (const spec of [work, log, latest]) await link.queue.ensureStream(spec);
  await link.queue.ensureConsumer({ ...all, ackWaitMs: 2_000 });
  const states = statesOf(link);
  /** Down with kill -9, and up again when `meanwhile` is done. */
  const crash = async (meanwhile: () => Promise<unknown> = async () => {}): Promise<void> => {
    const before = states.items.length;
    await server.kill();
    await states.count(before + 1);
    await meanwhile();
    await server.restart();
    await states.count(before + 2);
  };
  return { server, link, states, crash, ...link };
};

test('a server that was killed comes back with all it had acknowledged, and the connection with it', async () => {
  const { queue, states, crash } = await open();
  const { seq } = await queue.publish('work.a', bytes('kept'));
  const { incarnation } = await queue.streamInfo('WORK');
  await crash();
  expect(states.items).toEqual(['disconnected', 'connected']);
  expect(text((await queue.get('WORK', seq))?.data)).toBe('kept');
  expect((await queue.streamInfo('WORK')).incarnation).toBe(incarnation);
  expect((await queue.publish('work.b', bytes('next'))).seq).toBe(seq + 1);
});

test('a pull that was open is lost at once, and the next one goes on where the consumer stood', async () => {
  const { queue, crash } = await open();
  const consumer = consuming(queue);
  consumer.pull({ batch: 5, waitMs: 30_000 });
  await queue.publish('work.a', bytes('x'));
  const [delivery] = await consumer.deliveries.count(1);
  await crash(async () => {
    expect(await consumer.ends.count(1)).toEqual([[4, 'lost']]);
    consumer.pull({ batch: 2, waitMs: 30_000 });
    expect(await consumer.ends.count(2)).toEqual([
      [4, 'lost'],
      [2, 'lost'],
    ]);
  });
  delivery?.ack();
  await queue.publish('work.b', bytes('x'));
  // The server may have forgotten that it had handed out the first.
  consumer.pull({ batch: 2, waitMs: 10_000 });
  await expect.poll(() => consumer.deliveries.items.map(({ subject }) => subject)).toContain('work.b');
});

test('what nobody had settled when the server was killed comes again, though it may be counted anew', async () => {
  const { queue, crash } = await open();
  const consumer = consuming(queue);
  await queue.publish('work.a', bytes('x'));
  consumer.pull({ batch: 1, waitMs: 10_000 });
  await consumer.deliveries.count(1);
  await crash();
  consumer.pull({ batch: 1, waitMs: 10_000 });
  expect((await consumer.deliveries.count(2))[1]).toMatchObject({ seq: 1, subject: 'work.a' });
});

test('a tail goes on after a restart without a gap and without a repeat', async () => {
  const { queue, crash } = await open();
  const messages = collect<Stored>();
  const caughtUp = collect<true>();
  for (const n of [1, 2, 3]) await queue.publish('log.a', bytes(`${n}`));
  const options = {
    filter: 'log.>',
    from: 'all',
    deliver: messages.push,
    caughtUp: () => caughtUp.push(true),
  } as const;
  await queue.tail('LOG', options);
  await messages.count(3);
  await crash();
  for (const n of [4, 5]) await queue.publish('log.a', bytes(`${n}`));
  await messages.count(5);
  await crash();
  await queue.publish('log.a', bytes('6'));
  expect((await messages.count(6)).map(({ data }) => text(data))).toEqual(['1', '2', '3', '4', '5', '6']);
  expect(caughtUp.items).toHaveLength(1);
});

test('a tail of the new that has heard nothing yet misses nothing that was stored while it was away', async () => {
  const { server, queue, crash } = await open();
  await queue.publish('log.a', bytes('before'));
  const messages = collect<Stored>();
  await queue.tail('LOG', { filter: 'log.>', from: 'new', deliver: messages.push });
  await crash();
  const other = await connectTo(server.url);
  await other.queue.publish('log.a', bytes('after'));
  expect((await messages.count(1)).map(({ data }) => text(data))).toEqual(['after']);
});

test.each(['last', { seq: 1 }] as const)(
  'a tail, from %j, whose stream is made anew starts over with it',
  async (from) => {
    const { link, queue } = await open();
    const messages = collect<Stored>();
    await queue.tail('LATEST', { filter: 'latest.>', from, deliver: messages.push });
    for (const n of [1, 2, 3]) {
      await queue.publish('latest.a', bytes(`${n}`));
      await messages.count(n); // The next one replaces it, delivered or not.
    }
    const before = await queue.streamInfo('LATEST');
    await serverApi(link, 'STREAM.PURGE.LATEST'); // Or the next may be given its messages: see `setup/made-anew.ts`.
    await serverApi(link, 'STREAM.DELETE.LATEST');
    const after = await queue.ensureStream(latest);
    expect(after.incarnation > before.incarnation).toBe(true);
    await queue.publish('latest.a', bytes('anew'));
    expect(text((await messages.count(4))[3]?.data)).toBe('anew');
  },
);

test('a publish while the server is away is stored when it is back', async () => {
  const { queue, crash } = await open();
  let published: Promise<unknown> = Promise.resolve();
  await crash(async () => {
    published = queue.publish('latest.a', bytes('x'), { expectSeq: 0, timeoutMs: 20_000 });
  });
  await expect(published).resolves.toEqual({ stream: 'LATEST', seq: 1 });
});

test('a publish that was never sent is unavailable, not unknown, and is not sent later', async () => {
  const { queue, crash } = await open();
  await crash(async () => {
    const publish = queue.publish('latest.a', bytes('x'), { timeoutMs: 300 });
    await expect(publish).rejects.toMatchObject({ code: 'unavailable' });
  });
  expect((await queue.streamInfo('LATEST')).messages).toBe(0);
});

test('subscriptions and requests go on after a restart', async () => {
  const { server, bus, crash } = await open();
  bus.subscribe('echo', ({ reply, data }) => reply && bus.publish(reply, data));
  await crash();
  const other = await connectTo(server.url);
  expect(text((await other.bus.request('echo', bytes('hi'))).data)).toBe('hi');
});
