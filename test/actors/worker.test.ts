import { expect, test } from 'vitest';
import { actor } from '../../src/actors/actor.ts';
import { type WorkerMessage, worker } from '../../src/actors/worker.ts';
import { answering, app, completed, open } from '../task/world.ts';

const setup = async (run: Parameters<typeof app>[0]) => {
  const world = await open();
  const idle: string[] = [];
  const { ports, lives, clock } = world;
  const executor = app(run);
  const made = actor<unknown, WorkerMessage>(
    worker({ name: 'w', ports, executor, idle: (name) => idle.push(name), lives, lookUp: answering('absent') }),
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
  return { ...world, made, idle, life, exit, work };
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

test('one that stops finishes first', async () => {
  const gate = Promise.withResolvers<void>();
  const { work, life, exit, record, clock } = await setup(() => gate.promise.then(() => completed()));
  await work('a');
  await clock.settle();
  life.abort();
  expect(await work('late')).toBe(true);
  gate.resolve();
  await exit;
  expect([(await record('a'))?.status, await record('late')]).toEqual(['completed', undefined]);
});
