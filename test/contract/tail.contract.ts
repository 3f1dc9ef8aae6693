import { expect, test } from 'vitest';
import type { Queue, Stored, TailOptions } from '../../src/bus/queue.ts';
import { bytes, collect, latest, log, type Make, text } from './world.ts';

export const tailContract = (make: Make): void => {
  const open = async () => {
    const world = await make();
    const link = await world.connect();
    await link.queue.ensureStream(log);
    await link.queue.ensureStream(latest);
    return { world, ...link };
  };

  test('a tail reads all there is, says once that it has caught up, and goes on', async () => {
    const { queue } = await open();
    for (const n of [1, 2, 3]) await queue.publish('log.a', bytes(`${n}`), { headers: { n: `${n}` } });
    const { messages, caughtUp } = await reading(queue, 'LOG', { filter: 'log.>', from: 'all' });
    await caughtUp.count(1);
    expect(seen(messages.items)).toEqual(['1', '2', '3']);
    expect(messages.items[0]).toMatchObject({ stream: 'LOG', subject: 'log.a', seq: 1, headers: { n: '1' } });
    await queue.publish('log.b', bytes('4'));
    expect(seen(await messages.count(4))).toEqual(['1', '2', '3', '4']);
    expect(caughtUp.items).toHaveLength(1);
  });

  test('a tail of the last reads one message a subject, the last', async () => {
    const { queue } = await open();
    for (const n of [1, 2, 3, 4]) await queue.publish(`log.${n % 2}`, bytes(`${n}`));
    const { messages, caughtUp } = await reading(queue, 'LOG', { filter: 'log.>', from: 'last' });
    await caughtUp.count(1);
    expect(seen(messages.items)).toEqual(['3', '4']);
    await queue.publish('log.0', bytes('5'));
    await queue.publish('log.0', bytes('6'));
    expect(seen(await messages.count(4))).toEqual(['3', '4', '5', '6']);
  });

  test('a tail of the new reads what comes after it began', async () => {
    const { queue } = await open();
    await queue.publish('log.a', bytes('before'));
    const { messages, caughtUp } = await reading(queue, 'LOG', { filter: 'log.>', from: 'new' });
    await caughtUp.count(1);
    await queue.publish('log.a', bytes('after'));
    expect(seen(await messages.count(1))).toEqual(['after']);
  });

  test('a tail from a sequence begins with it', async () => {
    const { queue } = await open();
    for (const n of [1, 2, 3]) await queue.publish('log.a', bytes(`${n}`));
    const { messages, caughtUp } = await reading(queue, 'LOG', { filter: 'log.>', from: { seq: 2 } });
    await caughtUp.count(1);
    expect(seen(messages.items)).toEqual(['2', '3']);
  });

  test('a tail of several filters reads what matches any of them, in order', async () => {
    const { queue } = await open();
    for (const name of ['a', 'b', 'c', 'a']) await queue.publish(`log.${name}`, bytes(name));
    const { messages, caughtUp } = await reading(queue, 'LOG', { filter: ['log.a', 'log.c'], from: 'all' });
    await caughtUp.count(1);
    expect(seen(messages.items)).toEqual(['a', 'c', 'a']);
  });

  test('a tail of headers only carries no data', async () => {
    const { queue } = await open();
    await queue.publish('log.a', bytes('data'), { headers: { own: 'yes' } });
    const { messages } = await reading(queue, 'LOG', { filter: 'log.>', from: 'all', headersOnly: true });
    const [first] = await messages.count(1);
    expect(first?.data.length).toBe(0);
    expect(first?.headers['own']).toBe('yes');
  });

  test('a tail of an empty stream has caught up at once', async () => {
    const { queue } = await open();
    const { caughtUp } = await reading(queue, 'LOG', { filter: 'log.>', from: 'last' });
    await caughtUp.count(1);
  });

  test('a tail of a stream that is not there is not found', async () => {
    const { queue } = await open();
    const none = reading(queue, 'NONE', { filter: '>', from: 'all' });
    await expect(none).rejects.toMatchObject({ code: 'not_found' });
  });

  test('a tail reads very many in order', async () => {
    const { queue } = await open();
    const names = Array.from({ length: 3_000 }, (_, n) => `latest.${n}`);
    await Promise.all(names.map((subject) => queue.publish(subject, bytes(subject))));
    const { messages, caughtUp } = await reading(queue, 'LATEST', { filter: 'latest.>', from: 'last' });
    await caughtUp.count(1);
    const seqs = messages.items.map(({ seq }) => seq);
    expect(seqs).toEqual(Array.from({ length: 3_000 }, (_, n) => n + 1));
  });

  test('a tail that is ended hears nothing more', async () => {
    const { bus, queue } = await open();
    const ended = await reading(queue, 'LOG', { filter: 'log.>', from: 'new' });
    const other = await reading(queue, 'LOG', { filter: 'log.>', from: 'new' });
    ended.tail.unsubscribe();
    await bus.flush();
    await queue.publish('log.a', bytes('x'));
    await other.messages.count(1);
    expect(ended.messages.items).toEqual([]);
  });
};

const seen = (messages: readonly Stored[]) => messages.map(({ data }) => text(data));

const reading = async (queue: Queue, stream: string, options: Omit<TailOptions, 'deliver' | 'caughtUp'>) => {
  const messages = collect<Stored>();
  const caughtUp = collect<true>();
  const tail = await queue.tail(stream, {
    ...options,
    deliver: messages.push,
    caughtUp: () => caughtUp.push(true),
  });
  return { messages, caughtUp, tail };
};
