import { expect, test } from 'vitest';
import { cancelTask, finishCancel } from '../../src/task/cancel.ts';
import { DrainedError } from '../../src/task/handler.ts';
import { runDelivery } from '../../src/task/run.ts';
import { encodeRecord } from '../../src/task/record.ts';
import { cancelled, firstRecord, type Origin } from '../../src/task/transitions.ts';
import { row } from '../store/rows.ts';
import { answering, app, completed, failed, open, outgoing, type Submission, text } from './world.ts';

const opened = async () => {
  const world = await open();
  const messages = async (stream: string) => (await world.queue.streamInfo(stream)).messages;
  const origin = (submission: Submission): Origin => {
    const { id, type, route, hash } = outgoing(world.ports, submission);
    return { id, type, route, inputHash: hash, submittedAt: world.queue.now() };
  };
  const cancel = (id: string, why?: string) => cancelTask(world.ports, `t.${id}`, origin({ id }), why);
  return { ...world, messages, origin, cancel };
};

test('a queued task that is cancelled never runs, and leaves a record that says so', async () => {
  const { submit, cancel, run, take, record, messages, clock } = await opened();
  await submit({ id: 'a' });
  expect(await cancel('a', 'not needed')).toMatchObject({ status: 'cancelled', error: { message: 'not needed' } });
  const never = app(() => Promise.reject(new Error('it ran')));
  await run(never, await take(), 'present');
  await clock.settle(); // The ack is on its way.
  expect(await messages('WORK_default')).toBe(0);
  expect(await record('a')).toMatchObject({ status: 'cancelled', attempt: 0, error: { code: 'task_cancelled' } });
});

test.each([
  ['', 3_600_000],
  [', also while the projection is behind and records live longer', 7 * 86_400_000],
])('its message, delivered when the record is long forgotten, is answered by the history%s', async (_when, lifeMs) => {
  const { submit, cancel, take, store, clock, messages, eventually, ports, lives } = await opened();
  await submit({ id: 'a' });
  const { createdAt, finishedAt } = await cancel('a');
  await store.project([row({ type: 't', id: 'a', status: 'cancelled', createdAt, finishedAt })]);
  await clock.advance(2 * 3_600_000);
  expect(await eventually(ports.records.get('t.a'))).toBeUndefined();
  let ran = 0;
  const counting = app(async () => {
    ran += 1;
    return completed();
  });
  await runDelivery({
    ports: { ...ports, recordLifeMs: () => lifeMs },
    executor: counting,
    delivery: await take(),
    worker: 'node',
    lives,
    lookUp: answering('absent'),
    over: () => {},
  });
  await clock.settle(); // The ack is on its way.
  expect([ran, await messages('WORK_default')]).toEqual([0, 0]);
});

test('a task that is cancelled is told of at once, and its record removes itself in the end', async () => {
  const { submit, cancel, bus, ports, clock } = await opened();
  const told: string[] = [];
  bus.subscribe('ctl.cancel.>', ({ subject, data }) => told.push(`${subject}${text(data)}`));
  await submit({ id: 'a' });
  await cancel('a');
  await clock.settle();
  expect(told).toEqual(['ctl.cancel.t.a']);
  expect((await ports.records.get('t.a'))?.ttlMs).toBe(3_600_000);
  expect(await ports.metrics.text()).toContain('troupe_tasks_total{type="t",outcome="cancelled"} 1');
});

test('its record lives as long as any that ends then', async () => {
  const { submit, ports, origin } = await opened();
  await submit({ id: 'a' });
  const recordLifeMs = (): number => 7 * 86_400_000;
  await cancelTask({ ...ports, recordLifeMs }, 't.a', origin({ id: 'a' }), undefined);
  expect((await ports.records.get('t.a'))?.ttlMs).toBe(7 * 86_400_000);
});

test('one that waits for its next attempt is taken out of SCHED', async () => {
  const { submit, cancel, run, take, record, messages } = await opened();
  await submit({ id: 'a' });
  await run(
    app(async () => failed(60_000)),
    await take(),
  );
  expect([await messages('SCHED'), (await record('a'))?.status]).toEqual([1, 'waiting']);
  await cancel('a');
  expect(await messages('SCHED')).toBe(0);
  expect(await record('a')).toMatchObject({ status: 'cancelled', attempt: 1, failures: 1 });
});

test('one that has ended stays as it ended', async () => {
  const { submit, cancel, run, take } = await opened();
  await submit({ id: 'a' });
  await run(
    app(async () => completed(7)),
    await take(),
  );
  expect(await cancel('a')).toMatchObject({ status: 'completed', result: 7 });
});

test('while it runs, the attempt’s next write finds out, and the cancellation stands', async () => {
  const { submit, cancel, run, take, record, messages } = await opened();
  await submit({ id: 'a' });
  const cancelling = app(async ({ journal }) => {
    await cancel('a');
    await journal.step('late', undefined, () => 1);
    return completed();
  });
  await run(cancelling, await take());
  expect(await record('a')).toMatchObject({ status: 'cancelled', steps: [] });
  expect(await messages('WORK_default')).toBe(0);
});

test.each([
  ['ends', () => completed()],
  ['is stopped', (stop: () => void) => (stop(), new Promise<never>(() => {}))],
])('an attempt that %s before it hears of it leaves the record alone, and its message is gone', async (_how, end) => {
  const { submit, cancel, run, take, record, messages, lives, clock } = await opened();
  await submit({ id: 'a' });
  const cancelling = app(async () => {
    await cancel('a');
    return end(() => lives.stop(new DrainedError('stop')));
  });
  await run(cancelling, await take());
  await clock.settle(); // The ack is on its way.
  expect([(await record('a'))?.status, await messages('WORK_default')]).toEqual(['cancelled', 0]);
});

test('it is decided by the record whether the end or the cancellation came first', async () => {
  const { submit, cancel, run, take, record, broker, eventually } = await opened();
  await submit({ id: 'a' });
  let cancelling: Promise<{ readonly status: string }> | undefined;
  const racing = app(async () => {
    cancelling = cancel('a');
    return completed();
  });
  broker.next('publish', 'succeed_and_time_out', { subject: '$KV.tasks.>', times: 2 });
  await eventually(run(racing, await take()));
  const status = (await record('a'))?.status;
  expect((await eventually(Promise.resolve(cancelling)))?.status).toBe(status);
});

test('a cancellation that broke off is finished by whoever comes next, and by nobody twice', async () => {
  const { submit, ports, origin, messages, broker, queue } = await opened();
  await submit({ id: 'a', envelope: { delayMs: 60_000 } });
  const record = cancelled(firstRecord(origin({ id: 'a' })), undefined, queue.now());
  await ports.records.update('t.a', encodeRecord(record), 0);
  expect(await messages('SCHED')).toBe(1);
  await Promise.all([finishCancel(ports, 't.a'), finishCancel(ports, 't.a')]);
  expect([await messages('SCHED'), (await ports.records.get('t.a'))?.ttlMs]).toEqual([0, 3_600_000]);
  const revision = (await ports.records.get('t.a'))?.revision;
  broker.next('publish', 'refuse', { subject: '$KV.tasks.>' });
  await finishCancel(ports, 't.a');
  expect((await ports.records.get('t.a'))?.revision).toBe(revision);
});

test('a cancellation that broke off is finished by who asks for it again', async () => {
  const { submit, cancel, ports, origin, messages, queue } = await opened();
  await submit({ id: 'a', envelope: { delayMs: 60_000 } });
  const record = cancelled(firstRecord(origin({ id: 'a' })), undefined, queue.now());
  await ports.records.update('t.a', encodeRecord(record), 0);
  expect(await cancel('a')).toMatchObject({ status: 'cancelled' });
  expect([await messages('SCHED'), (await ports.records.get('t.a'))?.ttlMs]).toEqual([0, 3_600_000]);
});

test('a cancellation that broke off is finished by who is handed its message', async () => {
  const { submit, take, run, ports, origin, messages, queue, clock } = await opened();
  await submit({ id: 'a' });
  const delivery = await take();
  const record = cancelled(firstRecord(origin({ id: 'a' })), undefined, queue.now());
  await ports.records.update('t.a', encodeRecord(record), 0);
  await run(
    app(async () => completed()),
    delivery,
    'present',
  );
  await clock.settle(); // The ack is on its way.
  expect([await messages('WORK_default'), (await ports.records.get('t.a'))?.ttlMs]).toEqual([0, 3_600_000]);
});

test('one that is cancelled while a worker claims it leaves the queue at once', async () => {
  const { submit, cancel, take, ports, lives, clock, messages, record } = await opened();
  await submit({ id: 'a' });
  const { records } = ports;
  let claims = 0;
  const update: typeof records.update = async (...write) => {
    claims += 1;
    if (claims === 1) await cancel('a');
    return records.update(...write);
  };
  await runDelivery({
    ports: { ...ports, records: { ...records, update } },
    executor: app(() => Promise.reject(new Error('it ran'))),
    delivery: await take(),
    worker: 'node',
    lives,
    lookUp: answering('unknown'),
    over: () => {},
  });
  await clock.settle(); // The ack is on its way.
  expect([(await record('a'))?.status, await messages('WORK_default')]).toEqual(['cancelled', 0]);
});
