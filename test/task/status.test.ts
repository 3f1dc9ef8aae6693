import { expect, test } from 'vitest';
import { NotFoundError } from '../../src/kernel/errors.ts';
import { findTask } from '../../src/task/find.ts';
import type { TaskRow } from '../../src/store/store.ts';
import { app, bytes, completed, failed, open } from './world.ts';

const opened = async () => {
  const world = await open();
  const status = (id: string, type = 't') => findTask(world.ports, `${type}.${id}`);
  return { ...world, status };
};

test('a task that is queued has no record: its message is found, in whatever pool and lane, and what it waits for', async () => {
  const { submit, status, take } = await opened();
  for (const id of ['a', 'b']) await submit({ id, pool: 'slow', lane: 'low' });
  expect(await status('b')).toMatchObject({
    id: 'b',
    type: 't',
    status: 'queued',
    attempt: 0,
    pool: 'slow',
    lane: 'low',
    waitingFor: { reason: 'no_worker', detail: expect.stringContaining('2 tasks wait in lane low') },
  });
  await take('low', 'slow');
  expect(await status('b')).toMatchObject({
    status: 'queued',
    waitingFor: { reason: 'lane', detail: expect.stringContaining('1 tasks wait') },
  });
});

test('a task whose lane’s consumer was deleted is queued, and waits for nodes to make that again', async () => {
  const { submit, ports } = await opened();
  await submit({ id: 'a' });
  const consumerInfo = () => Promise.reject(new NotFoundError('no such consumer'));
  const status = findTask({ ...ports, queue: { ...ports.queue, consumerInfo } }, 't.a');
  expect(await status).toMatchObject({
    status: 'queued',
    waitingFor: { reason: 'no_worker', detail: expect.stringContaining('was deleted') },
  });
});

test('a task is queued behind those that were stored before it and nobody has taken, whatever came after it', async () => {
  const { submit, status, take } = await opened();
  for (const id of ['a', 'b', 'c', 'd']) await submit({ id });
  await take();
  expect(await status('a')).toMatchObject({ status: 'running', attempt: 1 });
  const detail = expect.stringContaining('3 tasks wait, at most 1 of them before this one, 1 are in nodes');
  expect(await status('c')).toMatchObject({ status: 'queued', waitingFor: { reason: 'lane', detail } });
  for (const id of ['e', 'f']) await submit({ id, lane: 'high' });
  await submit({ id: 'g' });
  expect(await status('g')).toMatchObject({
    waitingFor: { detail: expect.stringContaining('4 tasks wait, at most 3 of them before this one') },
  });
});

test('a task in a worker’s hands that has recorded nothing is running', async () => {
  const { submit, status, take } = await opened();
  await submit({ id: 'a' });
  await take();
  expect(await status('a')).toMatchObject({ status: 'running', attempt: 1 });
});

test('a delayed task is in SCHED until it is due, and until it is moved', async () => {
  const { submit, status, clock, queue } = await opened();
  await submit({ id: 'a', lane: 'high', envelope: { delayMs: 60_000 } });
  const until = new Date(queue.now() + 60_000).toISOString();
  expect(await status('a')).toMatchObject({ status: 'queued', lane: 'high', waitingFor: { reason: 'due', until } });
  await clock.advance(60_000);
  expect(await status('a')).toMatchObject({
    status: 'queued',
    waitingFor: { reason: 'due', detail: expect.stringContaining('about to move') },
  });
});

test('a task that has written something is what its record says', async () => {
  const { submit, run, take, status } = await opened();
  await submit({ id: 'a' });
  await run(
    app(async () => failed(60_000)),
    await take(),
  );
  expect(await status('a')).toMatchObject({
    status: 'waiting',
    attempt: 1,
    error: { message: 'it broke' },
    waitingFor: { reason: 'retry', detail: expect.stringContaining('it broke') },
  });
  await submit({ id: 'b' });
  await run(
    app(async () => completed({ text: 'x'.repeat(100_000) })),
    await take(),
  );
  expect(await status('b')).toMatchObject({ status: 'completed', output: { text: 'x'.repeat(100_000) } });
});

test('the history answers for what KV has forgotten, and nobody for what never was', async () => {
  const { store, status } = await opened();
  const none = {
    key: undefined,
    tenant: undefined,
    group: undefined,
    title: undefined,
    reason: undefined,
    worker: undefined,
  };
  const rest = { input: undefined, error: undefined, waiting: undefined, parent: undefined };
  const row: TaskRow = {
    ...none,
    ...rest,
    type: 't',
    id: 'a b',
    incarnation: 'i',
    revision: 1,
    pool: 'slow',
    lane: 'low',
    status: 'completed',
    attempt: 2,
    failures: 1,
    inputHash: 'h',
    result: '{"n":1}',
    usage: '{"inputTokens":3,"outputTokens":2,"usd":0.5}',
    redriveOf: undefined,
    deadline: undefined,
    createdAt: new Date(0).toISOString(),
    startedAt: undefined,
    finishedAt: new Date(1).toISOString(),
    steps: [],
  };
  await store.project([row]);
  expect(await status('=YSBi')).toMatchObject({
    id: 'a b',
    usage: { inputTokens: 3, outputTokens: 2, usd: 0.5 },
    status: 'completed',
    output: { n: 1 },
    attempt: 2,
    pool: 'slow',
    lane: 'low',
  });
  await store.project([
    { ...row, id: 'dead', status: 'dead', result: undefined, error: '{"code":"e","message":"no"}' },
  ]);
  expect(await status('dead')).toMatchObject({ status: 'dead', error: { code: 'e', message: 'no' } });
  expect(await status('none')).toBeUndefined();
  store.setAvailable(false);
  await expect(status('none')).rejects.toMatchObject({ code: 'unavailable' });
});

test('what is no record in the bucket is no task', async () => {
  const { ports, status } = await opened();
  await ports.records.put('t.a', bytes('{"v":7}'));
  expect(await status('a')).toBeUndefined();
});

test('a task that ends between the looks is found, though the history has not heard of it yet', async () => {
  const { submit, take, run, ports, clock } = await opened();
  await submit({ id: 'a' });
  const queue = {
    ...ports.queue,
    last: async (...where: Parameters<typeof ports.queue.last>) => {
      if ((await ports.records.get('t.a')) === undefined) {
        const delivery = await take();
        await run(
          app(async () => completed()),
          delivery,
        );
        await clock.settle();
      }
      return ports.queue.last(...where);
    },
  };
  expect(await findTask({ ...ports, queue }, 't.a')).toMatchObject({ status: 'completed' });
});

test('a delayed task that goes to its pool between the looks is found there', async () => {
  const { submit, ports } = await opened();
  let moved = false;
  const queue = {
    ...ports.queue,
    last: async (...[stream, subject]: Parameters<typeof ports.queue.last>) => {
      if (stream === 'SCHED' && !moved) {
        moved = true;
        await submit({ id: 'a' });
      }
      return ports.queue.last(stream, subject);
    },
  };
  expect(await findTask({ ...ports, queue }, 't.a')).toMatchObject({ status: 'queued', pool: 'default' });
});
