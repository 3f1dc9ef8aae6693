import { expect, onTestFinished, test } from 'vitest';
import { intake } from '../../src/actors/intake.ts';
import type { Delivery, PullHandlers, Queue } from '../../src/bus/queue.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { bytes, delivered, open, text } from '../task/world.ts';

const setup = async (concurrency = 4) => {
  const world = await open();
  const { queue, clock } = world;
  const taken: string[] = [];
  const inHand = new Map<string, { readonly delivery: Delivery; readonly done: (error?: Error) => void }>();
  const handle = (delivery: Delivery): Promise<void> =>
    new Promise((resolve, reject) => {
      const body = text(delivery.data);
      taken.push(body);
      const done = (error?: Error): void => {
        inHand.delete(body);
        if (error) reject(error);
        else resolve(delivery.ack());
      };
      inHand.set(body, { delivery, done });
    });
  const start = intake({
    queue,
    clock,
    log: silentLog,
    stream: 'INBOX',
    consumer: 'ingress',
    concurrency,
    ackWaitMs: 30_000,
    handle,
  });
  const life = new AbortController();
  const { exit } = await start(life.signal);
  onTestFinished(async () => {
    life.abort();
    for (const { done } of inHand.values()) done();
    await world.eventually(exit);
  });
  const publish = async (...bodies: readonly string[]): Promise<void> => {
    await Promise.all(bodies.map((body) => queue.publish('tasks.t', bytes(body))));
    await clock.settle();
  };
  const finish = async (...bodies: readonly string[]): Promise<void> => {
    for (const body of bodies) inHand.get(body)?.done();
    await clock.settle();
  };
  const left = async () => (await queue.streamInfo('INBOX')).messages;
  return { ...world, taken, inHand, publish, finish, left, life, exit };
};

const letters = 'abcdefghij'.split('');

test('so many are in hand at once, and the next come as soon as half of them are done', async () => {
  const { publish, finish, inHand, taken } = await setup(4);
  await publish(...letters);
  expect(inHand.size).toBe(4);
  await finish('a');
  expect(inHand.size).toBe(3);
  await finish('b');
  expect([...inHand.keys()]).toEqual(['c', 'd', 'e', 'f']);
  for (let n = 0; n < 10; n += 1) await finish(...inHand.keys());
  expect(taken).toEqual(letters);
});

test('what comes one by one is taken at once', async () => {
  const { publish, finish, taken, left } = await setup(4);
  for (const letter of letters) {
    await publish(letter);
    await finish(letter);
  }
  expect([taken, await left()]).toEqual([letters, 0]);
});

test('a handler that fails leaves its message to the ack wait, and its place to others', async () => {
  const { publish, inHand, taken, clock } = await setup(2);
  await publish('a', 'b', 'c');
  inHand.get('a')?.done(new Error('boom'));
  inHand.get('b')?.done();
  await clock.settle();
  expect([...inHand.keys()]).toEqual(['c']);
  await clock.advance(30_000);
  expect(taken).toEqual(['a', 'b', 'c', 'a']);
});

test('what takes long is kept alive', async () => {
  const { publish, inHand, taken, clock } = await setup(2);
  await publish('a');
  await clock.advance(600_000);
  expect([taken, inHand.get('a')?.delivery.deliveries]).toEqual([['a'], 1]);
});

test('it goes on after the server was away', async () => {
  const { publish, finish, broker, clock, taken, left } = await setup(2);
  await publish('a');
  await finish('a');
  broker.restart();
  await clock.advance(1_000);
  await publish('b', 'c');
  await finish('b', 'c');
  expect([taken, await left()]).toEqual([['a', 'b', 'c'], 0]);
});

test('stopping lets go of the queue, and finishes what is in hand', async () => {
  const { publish, finish, life, exit, taken, left, clock } = await setup(2);
  await publish('a');
  life.abort();
  await clock.settle();
  await publish('b');
  let over = false;
  void exit.then(() => {
    over = true;
  });
  await clock.settle();
  expect([taken, over]).toEqual([['a'], false]);
  await finish('a');
  await exit;
  expect(await left()).toBe(1);
});

const late = (seq: number): Delivery => delivered({ stream: 'INBOX', subject: 'tasks.t', seq });

test('what lost pulls still bring makes it ask for no more than it may hold', async () => {
  const world = await open();
  const { clock } = world;
  const pulls: number[] = [];
  let handlers: PullHandlers = { deliver: () => {}, ended: () => {} };
  const consume: Queue['consume'] = (_stream, _consumer, given) => {
    handlers = given;
    return { pull: ({ batch }) => void pulls.push(batch), close: async () => {} };
  };
  const queue = { ...world.queue, consume };
  const inHand = new Set<() => void>();
  const handle = (): Promise<void> => new Promise((resolve) => inHand.add(resolve));
  const settings = { stream: 'INBOX', consumer: 'ingress', concurrency: 4, ackWaitMs: 30_000, handle };
  const life = new AbortController();
  const { exit } = await intake({ queue, clock, log: silentLog, ...settings })(life.signal);
  for (let pauses = 0; pauses < 3; pauses += 1) {
    const lost = pulls.splice(0);
    for (const batch of lost) handlers.ended(batch, 'lost');
    for (const batch of lost) for (let seq = 1; seq <= batch; seq += 1) handlers.deliver(late(seq));
    await clock.advance(1_000);
    expect([inHand.size, pulls]).toEqual([4, []]);
    for (const done of inHand) done();
    inHand.clear();
    await clock.settle();
    expect(pulls.reduce((sum, batch) => sum + batch, 0)).toBe(4);
  }
  life.abort();
  await exit;
});
