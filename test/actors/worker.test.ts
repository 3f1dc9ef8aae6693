import { expect, test } from 'vitest';
import { actor } from '../../src/actors/actor.ts';
import { type WorkerMessage, worker } from '../../src/actors/worker.ts';
import type { Delivery } from '../../src/bus/queue.ts';
import { numbered } from '../../src/kernel/numbered.ts';
import { answering, app, completed, open } from '../task/world.ts';

const setup = async (run: Parameters<typeof app>[0]) => {
  const world = await open();
  const idle: string[] = [];
  const { ports, lives, clock } = world;
  const executor = app(run);
  const inHand = numbered<Delivery>();
  const made = actor<unknown, WorkerMessage>(
    worker({ name: 'w', ports, executor, idle: (name) => idle.push(name), lives, lookUp: answering('absent'), inHand }),
    {
      clock,
      name: 'w',
    },
  );
  const life = new AbortController();
  const { exit } = await made.start(life.signal);
  exit.catch(() => {}); // Tests ask.
  const work = async (id: string) => {
    await world.submit({ id });
    const delivery = await world.take();
    return made.send({ type: 'work', delivery, recordKey: `t.${id}` });
  };
  return { ...world, made, idle, life, exit, work, inHand };
};

test('a worker says that it is idle, works, and says it again', async () => {
  const { idle, work, clock, record } = await setup(async () => completed());
  expect(idle).toEqual(['w']);
  expect(await work('a')).toBe(true);
  await clock.settle();
  expect([idle, (await record('a'))?.status]).toEqual([['w', 'w'], 'completed']);
});

test('it says again that it is idle to who asks, and not while it works', async () => {
  const gate = Promise.withResolvers<void>();
  const { made, idle, work, clock } = await setup(() => gate.promise.then(() => completed()));
  made.send({ type: 'introduce' });
  await clock.settle();
  expect(idle).toHaveLength(2);
  await work('a');
  made.send({ type: 'introduce' });
  await clock.settle();
  expect(idle).toHaveLength(2);
  gate.resolve();
  await clock.settle();
  expect(idle).toHaveLength(3);
});

test('a delivery that cannot be settled does not take the worker with it', async () => {
  const { idle, work, clock, broker, queue, eventually } = await setup(async () => completed());
  broker.next('read', 'lose_and_time_out', { subject: 'KV_tasks', times: 9 });
  broker.next('publish', 'refuse', { subject: '$KV.tasks.>', times: 3 });
  await work('a');
  await eventually(clock.sleep(5_000));
  expect(idle).toEqual(['w', 'w']);
  expect((await queue.streamInfo('WORK_default')).messages).toBe(0);
});

test('a second task at a time is a bug: it crashes, once what it has in hand has ended', async () => {
  const gate = Promise.withResolvers<void>();
  const { work, exit, record } = await setup(() => gate.promise.then(() => completed()));
  await work('a');
  await work('b');
  gate.resolve();
  await expect(exit).rejects.toMatchObject({ code: 'unexpected_message' });
  expect((await record('a'))?.status).toBe('completed');
});

/** Outcomes are not written: the server does not take them. */
const unwritable = (broker: Awaited<ReturnType<typeof setup>>['broker']): void =>
  broker.next('publish', 'refuse', { subject: '$KV.tasks.>', times: 1_000 });

test('it wants its next task when its handler is over, while the outcome is still being written', async () => {
  const { idle, work, clock, broker, record } = await setup(async () => completed());
  unwritable(broker);
  await work('a');
  await clock.settle();
  expect([idle.length, await record('a')]).toEqual([2, undefined]);
});

test('with two outcomes to write it wants no third task until one of them is written', async () => {
  const gate = Promise.withResolvers<void>();
  const { idle, work, clock, broker, record } = await setup(() => gate.promise.then(() => completed()));
  broker.next('publish', 'lose_and_time_out', { subject: '$KV.tasks.t.a' });
  broker.next('publish', 'lose_and_time_out', { subject: '$KV.tasks.t.b' });
  await work('a');
  gate.resolve();
  await clock.settle();
  await work('b');
  await clock.settle();
  expect([idle.length, await record('a'), await record('b')]).toEqual([2, undefined, undefined]);
  await clock.advance(10_000);
  expect([idle.length, (await record('a'))?.status, (await record('b'))?.status]).toEqual([
    3,
    'completed',
    'completed',
  ]);
});

test('with two outcomes to write it wants its next task as soon as the first of them is written', async () => {
  const { idle, work, clock, broker, record } = await setup(async () => completed());
  broker.next('publish', 'lose_and_time_out', { subject: '$KV.tasks.t.a' });
  broker.next('publish', 'lose_and_time_out', { subject: '$KV.tasks.t.b', times: 9 });
  for (const id of ['a', 'b']) {
    await work(id);
    await clock.settle();
  }
  expect(idle).toHaveLength(2);
  await clock.advance(10_000);
  expect([idle.length, (await record('a'))?.status, await record('b')]).toEqual([3, 'completed', undefined]);
});

test('what was written while its handler ran keeps it from no further task', async () => {
  const gate = Promise.withResolvers<void>();
  const { idle, work, clock, broker, record } = await setup(({ task }) =>
    task.id === 'a' ? Promise.resolve(completed()) : gate.promise.then(() => completed()),
  );
  broker.next('publish', 'lose_and_time_out', { subject: '$KV.tasks.t.a' });
  broker.next('publish', 'lose_and_time_out', { subject: '$KV.tasks.t.b' });
  for (const id of ['a', 'b']) {
    await work(id);
    await clock.settle();
  }
  await clock.advance(10_000);
  gate.resolve();
  await clock.settle();
  expect([idle.length, (await record('a'))?.status, await record('b')]).toEqual([3, 'completed', undefined]);
});

test('a task that is over before the one ahead of it is written leaves one outcome to write', async () => {
  const { idle, work, clock, broker, record } = await setup(async () => completed());
  broker.next('publish', 'lose_and_time_out', { subject: '$KV.tasks.t.a' });
  for (const id of ['a', 'b', 'c']) {
    await work(id);
    await clock.settle();
  }
  expect([idle.length, await record('a'), (await record('c'))?.status]).toEqual([4, undefined, 'completed']);
});

test('it has in hand what it runs and what it writes, until that is settled', async () => {
  const gate = Promise.withResolvers<void>();
  const { work, clock, broker, inHand } = await setup(({ task }) =>
    task.id === 'a' ? Promise.resolve(completed()) : gate.promise.then(() => completed()),
  );
  const held = (): readonly string[] => inHand.entries().map(([, { subject }]) => subject.slice(-1));
  broker.next('publish', 'lose_and_time_out', { subject: '$KV.tasks.t.a' });
  for (const id of ['a', 'b']) {
    await work(id);
    await clock.settle();
  }
  expect(held().toSorted()).toEqual(['a', 'b']);
  await clock.advance(10_000);
  expect(held()).toEqual(['b']);
  gate.resolve();
  await clock.advance(1_000);
  expect(held()).toEqual([]);
});

test('one that stops writes what it has to write first', async () => {
  const { work, life, exit, record, clock, broker, eventually } = await setup(async () => completed());
  broker.next('publish', 'lose_and_time_out', { subject: '$KV.tasks.t.a' });
  await work('a');
  await clock.settle();
  life.abort();
  await eventually(exit);
  expect((await record('a'))?.status).toBe('completed');
});

test('one that stops finishes first', async () => {
  const gate = Promise.withResolvers<void>();
  const { work, life, exit, record, clock } = await setup(() => gate.promise.then(() => completed()));
  await work('a');
  await clock.settle();
  life.abort();
  expect(await work('late')).toBe(false);
  gate.resolve();
  await exit;
  expect([(await record('a'))?.status, await record('late')]).toEqual(['completed', undefined]);
});

test('the permit of a task that is over already is given back', async () => {
  const { made, clock, queue, submit, take, run } = await setup(async () => completed());
  await submit({ id: 'a' });
  await submit({ id: 'a', lane: 'high' });
  const [first, twin] = [await take(), await take('high')];
  await run(
    app(async () => completed()),
    first,
  );
  const told: string[] = [];
  const permit = { begin: () => told.push('begun') > 0, end: () => void told.push('ended') };
  made.send({ type: 'work', delivery: twin, recordKey: 't.a', permit });
  await clock.settle();
  expect([told, (await queue.streamInfo('WORK_default')).messages]).toEqual([['ended'], 0]);
});
