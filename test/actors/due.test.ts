import { expect, test } from 'vitest';
import { app, bytes, completed, failed } from '../task/world.ts';
import { ingressWorld } from './ingress-world.ts';

const opened = async (options?: Parameters<typeof ingressWorld>[0]) => {
  const world = await ingressWorld(options);
  /** Moves what is due next, when it is. */
  const move = async (): Promise<void> => {
    await world.eventually(world.due(await world.eventually(world.next('SCHED', 'due'))));
    await world.clock.settle();
  };
  const inWork = async () => [...(await world.queue.subjects('WORK_default', '>')).keys()];
  return { ...world, move, inWork };
};

test('what is due goes into its pool with its headers, and only then leaves SCHED', async () => {
  const { submit, move, queue, left, inWork } = await opened();
  await submit({ id: 'a', lane: 'low', envelope: { delayMs: 60_000, tenant: 'acme', headers: { Trace: '1' } } });
  await move();
  expect([await left('SCHED'), await inWork()]).toEqual([0, ['work.main.default.low.0.t.a']]);
  const stored = await queue.last('WORK_default', 'work.>');
  expect(stored?.headers).toMatchObject({ 'Troupe-Tenant': 'acme', Trace: '1' });
  expect(Object.keys(stored?.headers ?? {}).filter((name) => name.startsWith('Nats-Sched'))).toEqual([]);
});

test('a pool that is full leaves it in SCHED, until there is room', async () => {
  const { submit, move, left, inWork, queue } = await opened({ workBytes: 1_000 });
  await submit({ id: 'large', input: 'x'.repeat(700) });
  await submit({ id: 'a', input: 'y'.repeat(200), envelope: { delayMs: 1_000 } });
  await move();
  expect([await left('SCHED'), await inWork()]).toEqual([1, ['work.main.default.normal.0.t.large']]);
  await queue.purge('WORK_default', '>');
  await move();
  expect([await left('SCHED'), await inWork()]).toEqual([0, ['work.main.default.normal.0.t.a']]);
});

test('a deadline counts while it waits for its pool, too', async () => {
  const { submit, move, clock, take, run, record, eventually, queue } = await opened({ workBytes: 1_000 });
  await submit({ id: 'large', input: 'x'.repeat(700) });
  await submit({ id: 'a', input: 'y'.repeat(200), envelope: { delayMs: 1_000, deadlineMs: 3_000 } });
  await move();
  await clock.advance(5_000);
  await queue.purge('WORK_default', '>');
  await move();
  await run(
    app(async () => completed()),
    await eventually(take()),
  );
  expect(await record('a')).toMatchObject({ status: 'dead', reason: 'deadline' });
});

test('moved already, by someone whose ack was lost, it is not moved again', async () => {
  const { submit, move, left, broker, inWork } = await opened();
  await submit({ id: 'a', envelope: { delayMs: 1_000 } });
  broker.next('ack', 'lose', { subject: 'due.>' });
  await move();
  expect(await left('SCHED')).toBe(1);
  await move();
  expect([await left('SCHED'), await inWork()]).toEqual([0, ['work.main.default.normal.0.t.a']]);
});

test('another task that its id was given to meanwhile is waited for, and the same one, submitted twice, is not', async () => {
  const { submit, move, left, inWork, queue } = await opened();
  await submit({ id: 'a', input: 1, envelope: { delayMs: 1_000 } });
  await submit({ id: 'a', input: 2 });
  await submit({ id: 'b', input: 1, envelope: { delayMs: 2_000 } });
  await submit({ id: 'b', input: 1 });
  await move();
  await move();
  expect(await left('SCHED')).toBe(1);
  await queue.purge('WORK_default', '>');
  await move();
  expect([await left('SCHED'), await inWork()]).toEqual([0, ['work.main.default.normal.0.t.a']]);
});

test('a timer whose own message has yet to leave the pool waits for that', async () => {
  const { submit, take, run, move, broker, left, queue, eventually } = await opened();
  await submit({ id: 'a' });
  broker.next('ack', 'lose', { subject: 'work.>' });
  await run(
    app(async () => failed(6_000)),
    await take(),
  );
  await move();
  expect([await left('SCHED'), await left('WORK_default')]).toEqual([1, 1]);
  // The message is handed out again after its ack wait, sets its timer once more, for all it knows, and leaves.
  await run(
    app(async () => completed()),
    await eventually(take()),
    'present',
  );
  for (const _ of [1, 2]) await move();
  expect(await left('SCHED')).toBe(0);
  expect((await queue.last('WORK_default', '>'))?.headers['Troupe-Resume']).toBe('1');
});

test('it goes to the region that its submitter named, whoever moves it', async () => {
  const { queue, move, inWork } = await opened();
  await queue.ensureStream({ name: 'WORK_eu_default', subjects: ['work.eu.default.>'], keep: 'work' });
  await queue.publish('due.task.eu.default.normal.0.t.a', bytes('1'));
  await move();
  expect([await inWork(), (await queue.last('WORK_eu_default', '>'))?.subject]).toEqual([
    [],
    'work.eu.default.normal.0.t.a',
  ]);
});

test.each([
  'due.task.main.default.normal.0.t',
  'due.task.main.default.urgent.0.t.a',
  'due.task.main.default.normal.0.t.a$',
  'due.task.main.none.normal.0.t.a',
  'due.task.$.default.normal.0.t.a',
  'due.other',
])('what names no task and no pool is dead-lettered, and does not come back: %s', async (subject) => {
  const { queue, move, left, letters, inWork } = await opened();
  await queue.publish(subject, bytes('1'));
  await move();
  expect([await left('SCHED'), (await letters()).length, await inWork()]).toEqual([0, 1, []]);
});
