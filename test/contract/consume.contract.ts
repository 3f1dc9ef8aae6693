import { expect, test } from 'vitest';
import type { Queue } from '../../src/bus/queue.ts';
import { all, bytes, consuming, latest, log, type Make, text, work } from './world.ts';

export const consumeContract = (make: Make): void => {
  const open = async (spec = all) => {
    const world = await make();
    const link = await world.connect();
    await link.queue.ensureStream(work);
    await link.queue.ensureConsumer(spec);
    return { world, ...link, consumer: consuming(link.queue) };
  };

  test('messages are handed out in order, with what was sent, and leave when they are acked', async () => {
    const { queue, consumer } = await open();
    for (const n of [1, 2, 3]) await queue.publish(`work.${n}`, bytes(`${n}`), { headers: { n: `${n}` } });
    consumer.pull({ batch: 3, waitMs: 5_000 });
    const deliveries = await consumer.deliveries.count(3);
    expect(deliveries.map(({ subject, seq }) => [subject, seq])).toEqual([
      ['work.1', 1],
      ['work.2', 2],
      ['work.3', 3],
    ]);
    const [first] = deliveries;
    expect(first).toMatchObject({ stream: 'WORK', deliveries: 1, pending: 2 });
    expect([text(first?.data), first?.headers['n']]).toEqual(['1', '1']);
    for (const delivery of deliveries) delivery.ack();
    await settled(queue);
    expect(consumer.ends.items).toEqual([]);
  });

  test('a pull without waiting ends at once, telling how many were not there', async () => {
    const { queue, consumer } = await open();
    consumer.pull({ batch: 5, waitMs: 0 });
    expect(await consumer.ends.count(1)).toEqual([[5, 'empty']]);
    for (const n of [1, 2, 3]) await queue.publish(`work.${n}`, bytes('x'));
    await counted(queue, 'WORK', 3);
    consumer.pull({ batch: 5, waitMs: 0 });
    expect((await consumer.ends.count(2))[1]).toEqual([2, 'empty']);
    expect(consumer.deliveries.items).toHaveLength(3);
  });

  test('a pull that got all it asked for does not end', async () => {
    const { queue, consumer } = await open();
    for (const n of [1, 2]) await queue.publish(`work.${n}`, bytes('x'));
    await counted(queue, 'WORK', 2);
    consumer.pull({ batch: 2, waitMs: 0 });
    await consumer.deliveries.count(2);
    consumer.pull({ batch: 7, waitMs: 0 });
    expect(await consumer.ends.count(1)).toEqual([[7, 'empty']]);
  });

  test('a pull waits for what is to come, and ends when its time is up', async () => {
    const { world, queue, consumer } = await open();
    consumer.pull({ batch: 3, waitMs: 1_000 });
    await queue.publish('work.a', bytes('x'));
    await world.eventually(consumer.deliveries.count(1));
    expect(await world.eventually(consumer.ends.count(1))).toEqual([[2, 'empty']]);
  });

  test('each open pull has its own count', async () => {
    const { world, queue, consumer } = await open();
    consumer.pull({ batch: 2, waitMs: 1_000 });
    consumer.pull({ batch: 4, waitMs: 1_000 });
    for (const n of [1, 2, 3]) await queue.publish(`work.${n}`, bytes('x'));
    await world.eventually(consumer.deliveries.count(3));
    const lefts = (): number => consumer.ends.items.reduce((sum, [left]) => sum + left, 0);
    await world.eventually(consumer.ends.count(1));
    if (lefts() < 3) await world.eventually(consumer.ends.count(2));
    expect(lefts()).toBe(3);
  });

  test('those who wait share what comes', async () => {
    const { world, queue, consumer } = await open();
    const other = consuming((await world.connect()).queue);
    consumer.pull({ batch: 1, waitMs: 5_000 });
    other.pull({ batch: 1, waitMs: 5_000 });
    for (const n of [1, 2]) await queue.publish(`work.${n}`, bytes('x'));
    await Promise.all([consumer.deliveries.count(1), other.deliveries.count(1)]);
  });

  test('the server knows how many wait', async () => {
    const { queue, consumer } = await open();
    consumer.pull({ batch: 1, waitMs: 5_000 });
    consumer.pull({ batch: 1, waitMs: 5_000 });
    await expect.poll(async () => (await queue.consumerInfo('WORK', 'all')).waiting).toBe(2);
  });

  test('what is not settled within the ack wait comes again, to whoever asks', async () => {
    const { world, queue, consumer } = await open();
    const other = consuming((await world.connect()).queue);
    await queue.publish('work.a', bytes('x'));
    consumer.pull({ batch: 1, waitMs: 5_000 });
    await consumer.deliveries.count(1);
    const since = world.clock.monotonic();
    other.pull({ batch: 1, waitMs: 5_000 });
    const [again] = await world.eventually(other.deliveries.count(1));
    expect(again).toMatchObject({ seq: 1, deliveries: 2 });
    expect(world.clock.monotonic() - since).toBeGreaterThan(800);
    expect((await queue.consumerInfo('WORK', 'all')).redelivered).toBe(1);
  });

  test('who is working has the ack wait anew', async () => {
    const { world, queue, consumer } = await open();
    await queue.publish('work.a', bytes('x'));
    consumer.pull({ batch: 2, waitMs: 10_000 });
    const [delivery] = await consumer.deliveries.count(1);
    const since = world.clock.monotonic();
    const keepAlive = async (): Promise<void> => {
      for (let n = 0; n < 3; n += 1) {
        await world.clock.sleep(600);
        delivery?.working();
      }
    };
    await world.eventually(keepAlive());
    await world.eventually(consumer.deliveries.count(2));
    expect(world.clock.monotonic() - since).toBeGreaterThan(2_500);
  });

  test('what is handed back comes again at once, or after the delay that was asked for', async () => {
    const { world, queue, consumer } = await open({ ...all, ackWaitMs: 60_000 });
    await queue.publish('work.a', bytes('x'));
    consumer.pull({ batch: 3, waitMs: 10_000 });
    const [first] = await consumer.deliveries.count(1);
    first?.nak();
    const [, second] = await consumer.deliveries.count(2);
    const since = world.clock.monotonic();
    second?.nak(1_000);
    const [, , third] = await world.eventually(consumer.deliveries.count(3));
    expect(world.clock.monotonic() - since).toBeGreaterThan(900);
    expect(third).toMatchObject({ seq: 1, deliveries: 3 });
  });

  test('what is terminated leaves at once', async () => {
    const { queue, consumer } = await open();
    await queue.publish('work.a', bytes('x'));
    consumer.pull({ batch: 1, waitMs: 5_000 });
    const [delivery] = await consumer.deliveries.count(1);
    delivery?.term('not for us');
    await settled(queue);
  });

  test('no more are in hands than the consumer allows, whoever pulls', async () => {
    const { world, queue, consumer } = await open({ ...all, ackWaitMs: 60_000, maxAckPending: 2 });
    const other = consuming((await world.connect()).queue);
    for (const n of [1, 2, 3]) await queue.publish(`work.${n}`, bytes('x'));
    consumer.pull({ batch: 2, waitMs: 5_000 });
    const [first] = await consumer.deliveries.count(2);
    other.pull({ batch: 1, waitMs: 0 });
    expect(await world.eventually(other.ends.count(1))).toEqual([[1, 'empty']]);
    other.pull({ batch: 1, waitMs: 5_000 });
    first?.ack();
    expect((await world.eventually(other.deliveries.count(1)))[0]).toMatchObject({ seq: 3 });
  });

  test('on a log, an ack through settles all before it', async () => {
    const { queue } = await open();
    await queue.ensureStream(log);
    await queue.ensureConsumer({ ...all, stream: 'LOG', filter: 'log.>', ack: 'through' });
    const reader = consuming(queue, 'LOG');
    for (const n of [1, 2, 3]) await queue.publish(`log.${n}`, bytes('x'));
    reader.pull({ batch: 3, waitMs: 5_000 });
    const [, second] = await reader.deliveries.count(3);
    second?.ack();
    await expect.poll(() => queue.consumerInfo('LOG', 'all')).toMatchObject({ ackFloor: 2, ackPending: 1 });
    expect((await queue.streamInfo('LOG')).messages).toBe(3);
  });

  test('a message that was overwritten before it was handed out is passed over', async () => {
    const { queue } = await open();
    await queue.ensureStream(latest);
    await queue.ensureConsumer({ ...all, stream: 'LATEST', filter: 'latest.>', ack: 'through' });
    const reader = consuming(queue, 'LATEST');
    for (const n of [1, 2, 3]) await queue.publish('latest.a', bytes(`${n}`));
    await counted(queue, 'LATEST', 1);
    reader.pull({ batch: 5, waitMs: 0 });
    expect(await reader.ends.count(1)).toEqual([[4, 'empty']]);
    expect(reader.deliveries.items.map(({ data }) => text(data))).toEqual(['3']);
  });

  test('a closed consumer lets go of its pulls: what comes goes to others', async () => {
    const { world, queue, consumer } = await open();
    const other = consuming((await world.connect()).queue);
    consumer.pull({ batch: 5, waitMs: 10_000 });
    await expect.poll(async () => (await queue.consumerInfo('WORK', 'all')).waiting).toBe(1);
    await consumer.close();
    other.pull({ batch: 1, waitMs: 10_000 });
    await queue.publish('work.a', bytes('x'));
    await world.eventually(other.deliveries.count(1));
    expect(consumer.deliveries.items).toEqual([]);
    expect(consumer.ends.items).toEqual([]);
  });

  test('what had been handed out when a consumer is closed is delivered before it is', async () => {
    const { queue, consumer } = await open({ ...all, ackWaitMs: 60_000 });
    for (let n = 0; n < 50; n += 1) await queue.publish(`work.${n}`, bytes('x'));
    consumer.pull({ batch: 50, waitMs: 10_000 });
    await consumer.deliveries.count(1);
    await consumer.close();
    const { ackPending } = await queue.consumerInfo('WORK', 'all');
    expect(consumer.deliveries.items.length).toBe(ackPending);
  });

  test('what a consumer did not get any more when it was closed does not count as handed out', async () => {
    const { world, queue } = await open({ ...all, ackWaitMs: 60_000 });
    const { queue: others } = await world.connect();
    for (let round = 0; round < 40; round += 1) {
      await Promise.all(Array.from({ length: 40 }, (_, n) => queue.publish(`work.${n}`, bytes('x'))));
      const closing = consuming(queue);
      const other = consuming(others);
      closing.pull({ batch: 20, waitMs: 0 });
      for (let turn = 0; turn < round % 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      await closing.close();
      for (const delivery of closing.deliveries.items) delivery.ack();
      const left = 40 - closing.deliveries.items.length;
      other.pull({ batch: left, waitMs: 10_000 });
      for (const delivery of await other.deliveries.count(left)) {
        expect(delivery.deliveries).toBe(1);
        delivery.ack();
      }
      await other.close();
    }
  });

  test('a pull from a consumer that is not there is lost', async () => {
    const { world, queue } = await open();
    const nobody = consuming(queue, 'WORK', 'nobody');
    nobody.pull({ batch: 4, waitMs: 1_000 });
    expect(await world.eventually(nobody.ends.count(1))).toEqual([[4, 'lost']]);
  });
};

/** A settlement has no answer: it is seen when nothing is in anybody's hands, and nothing in the stream. */
/** The server says that it has stored a message before its consumers have heard of it: a pull that does not wait may miss it. */
const counted = async (queue: Queue, stream: string, messages: number): Promise<void> => {
  await expect.poll(async () => (await queue.consumerInfo(stream, 'all')).pending).toBe(messages);
};

const settled = async (queue: Queue): Promise<void> => {
  await expect.poll(async () => (await queue.consumerInfo('WORK', 'all')).ackPending).toBe(0);
  await expect.poll(async () => (await queue.streamInfo('WORK')).messages).toBe(0);
};
