import { describe, expect, test } from 'vitest';
import { subjects } from '../../src/bus/subjects.ts';
import { NonRetryableError, RefusedError } from '../../src/kernel/errors.ts';
import { readDeadLetter } from '../../src/task/dead-letter.ts';
import type { Executor, Outcome } from '../../src/task/executor.ts';
import type { LookUp } from '../../src/task/lookup.ts';
import type { TaskPorts } from '../../src/task/ports.ts';
import { decodeTask } from '../../src/task/message.ts';
import { decodeRecord, encodeRecord, lostMax } from '../../src/task/record.ts';
import { runDelivery } from '../../src/task/run.ts';
import { begun, firstRecord } from '../../src/task/transitions.ts';
import { deployingMs } from '../../src/task/unknown-task.ts';
import { row } from '../store/rows.ts';
import { answering, app, bytes, completed, failed, open, type World } from './world.ts';

/** The next delivery, by other ports or lookups than the world's. */
const runWith = async (ports: TaskPorts, executor: Executor, world: World, lookUp = answering('absent')) =>
  runDelivery({ ports, executor, delivery: await world.take(), worker: 'node', lives: world.lives, lookUp, over });
const over = (): void => {};

const queued = async (world: Awaited<ReturnType<typeof open>>): Promise<number> =>
  (await world.queue.streamInfo('WORK_default')).messages;

test('a task that completes leaves its record, tells whoever listens, and leaves the queue', async () => {
  const world = await open();
  const told: unknown[] = [];
  world.bus.subscribe('results.t.a', ({ data }) => told.push(decodeRecord(data)));
  await world.submit({ id: 'a', input: { n: 1 } });
  await world.run(
    app(async ({ input }) => completed({ got: input })),
    await world.take(),
  );
  await world.clock.settle();
  const record = await world.record('a');
  expect(record).toMatchObject({
    status: 'completed',
    attempt: 1,
    failures: 0,
    result: { got: { n: 1 } },
    worker: 'node',
  });
  expect(told).toEqual([record]);
  expect(await queued(world)).toBe(0);
});

test('a task that its handler rejects has failed: no dead letter, no further attempt', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const told: unknown[] = [];
  world.bus.subscribe('results.t.a', ({ data }) => told.push(decodeRecord(data)?.status));
  const rejected: Outcome = { type: 'rejected', error: { code: 'no', message: 'never' } };
  await world.run(
    app(async () => rejected),
    await world.take(),
  );
  await world.clock.settle();
  expect(await world.record('a')).toMatchObject({ status: 'failed', error: { code: 'no' } });
  expect(told).toEqual(['failed']);
  expect([await queued(world), await readDeadLetter(world.ports, 't.a')]).toEqual([0, undefined]);
});

test('a task that fails is back in the queue after its wait, and dead after its last attempt', async () => {
  const world = await open();
  await world.submit({ id: 'a', input: [1] });
  const failing = app(async () => failed(1_000));
  for (const attempt of [1, 2, 3]) {
    const delivery = await world.eventually(world.take());
    expect(delivery.deliveries).toBe(attempt);
    await world.run(failing, delivery, attempt === 1 ? 'absent' : 'present');
  }
  await world.clock.settle();
  expect(world.clock.monotonic()).toBe(2_000);
  expect(await world.record('a')).toMatchObject({ status: 'dead', attempt: 3, failures: 3, reason: 'exhausted' });
  expect(await queued(world)).toBe(0);
  expect(await readDeadLetter(world.ports, 't.a')).toMatchObject({
    reason: 'exhausted',
    attempts: 3,
    failures: 3,
    input: '[1]',
    error: { code: 'e', message: 'it broke' },
    worker: 'node',
  });
});

test('the timer of a long wait has what its task came with, and which wait it ends', async () => {
  const world = await open();
  const deadlineAt = world.clock.wall() + 3_600_000;
  await world.submit({ id: 'a', envelope: { tenant: 'acme', deadlineMs: 3_600_000 } });
  const delivery = await world.take();
  await world.clock.advance(1_000);
  await world.run(
    app(async () => failed(60_000)),
    delivery,
  );
  expect((await world.queue.last('SCHED', 'sched.>'))?.headers).toMatchObject({
    'Troupe-Tenant': 'acme',
    'Troupe-Deadline': new Date(deadlineAt).toISOString(),
    'Troupe-Submitted': String(delivery.at),
    'Troupe-Hash': delivery.headers['Troupe-Hash'],
    'Troupe-Resume': '1',
  });
});

test('a task whose workers have died too often is dead, counted, and forgets itself', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const delivery = await world.take();
  const task = decodeTask(delivery);
  const lost = task && { ...begun(firstRecord(task), delivery, 'gone', world.queue.now()), lost: lostMax - 1 };
  if (lost) await world.ports.records.update('t.a', encodeRecord(lost), 0);
  await world.run(
    app(async () => completed()),
    delivery,
    'present',
  );
  expect(await world.record('a')).toMatchObject({ status: 'dead', reason: 'crash', attempt: 1 });
  expect((await world.ports.records.get('t.a'))?.ttlMs).toBe(3_600_000);
  expect(await world.ports.metrics.text()).toContain('troupe_tasks_total{type="t",outcome="dead"} 1');
});

test('a message so old that only the history knows more waits for its answer, and is asked about every five seconds', async () => {
  const world = await open();
  // Of its id there was an earlier task, whose end counts for nothing.
  const finishedAt = new Date(world.clock.wall() - 86_400_000).toISOString();
  await world.store.project([row({ type: 't', id: 'a', status: 'completed', createdAt: finishedAt, finishedAt })]);
  await world.submit({ id: 'a' });
  await world.clock.advance(7_200_000);
  let runs = 0;
  const counting = app(async () => completed((runs += 1)));
  world.store.setAvailable(false);
  await world.run(counting, await world.take());
  world.store.setAvailable(true);
  const from = world.clock.monotonic();
  const again = await world.eventually(world.take());
  expect([runs, world.clock.monotonic() - from]).toEqual([0, 5_000]);
  await world.run(counting, again);
  expect([runs, (await world.record('a'))?.status]).toEqual([1, 'completed']);
});

test('a task is taken over from a message in whose place another task’s is by now', async () => {
  const world = await open();
  for (const id of ['b', 'a']) await world.submit({ id });
  const [other, delivery] = [await world.take(), await world.take()];
  const task = decodeTask(delivery);
  const before = task && begun(firstRecord(task), { ...other, deliveries: 1 }, 'gone', world.queue.now());
  if (before) await world.ports.records.update('t.a', encodeRecord(before), 0);
  await world.run(
    app(async () => completed()),
    delivery,
    'present',
  );
  expect(await world.record('a')).toMatchObject({ status: 'completed', attempt: 2 });
});

test('a message that takes over a task comes again when the wait of that is over', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  await world.submit({ id: 'a', lane: 'high' });
  const [first, twin] = [await world.take(), await world.take('high')];
  await world.run(
    app(async () => failed(4_000)),
    first,
  );
  await world.queue.purge('WORK_default', first.subject);
  const done = app(async () => completed());
  await world.run(done, twin, 'present');
  await world.run(done, await world.eventually(world.take('high')), 'present');
  expect([world.clock.monotonic(), await world.record('a')]).toMatchObject([
    4_000,
    { status: 'completed', attempt: 2 },
  ]);
});

test('attempts are counted, hand-outs that were not the first, and tasks once they have ended', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const outcomes = [failed(1_000), completed()];
  const run = async (found: 'absent' | 'present'): Promise<string> => {
    const outcome = outcomes.shift() ?? completed();
    await world.run(
      app(async () => outcome),
      await world.eventually(world.take()),
      found,
    );
    return world.ports.metrics.text();
  };
  const first = await run('absent');
  expect(first).toContain('troupe_task_attempts_total{type="t"} 1');
  expect(first).not.toContain('troupe_redeliveries_total{');
  expect(first).not.toContain('troupe_tasks_total{');
  const second = await run('present');
  expect(second).toContain('troupe_redeliveries_total{pool="default"} 1');
  expect(second).toContain('troupe_tasks_total{type="t",outcome="completed"} 1');
});

test('an attempt that is over leaves no timer behind, and is none of those that run', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const delivery = await world.take();
  const before = world.clock.nextDueMs;
  await world.run(
    app(async () => completed(), { timeoutMs: 10 }),
    delivery,
  );
  expect([world.clock.nextDueMs, world.lives.has('t.a')]).toEqual([before, false]);
});

test('a payload that is no JSON is dead at its first delivery, with its text in the dead letter', async () => {
  const world = await open();
  const route = { pool: 'default', lane: 'normal', partition: '0' } as const;
  await world.queue.publish(subjects.work('main', route, 't.a'), bytes('{"a":'));
  await world.run(
    app(async () => completed()),
    await world.take(),
  );
  expect(await world.record('a')).toMatchObject({ status: 'dead', reason: 'invalid_json', attempt: 1, failures: 0 });
  expect(await readDeadLetter(world.ports, 't.a')).toMatchObject({ reason: 'invalid_json', input: '{"a":' });
  expect(await world.ports.metrics.text()).toContain('troupe_bad_input_total{reason="invalid_json"} 1');
});

test('a twin that comes late to its first step looks again whose the task is', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  await world.submit({ id: 'a', lane: 'high' });
  const ran: string[] = [];
  const gate = Promise.withResolvers<void>();
  const paying = (who: string, before: Promise<void>) =>
    app(async ({ journal }) => {
      await before;
      await journal.step('pay', undefined, () => ran.push(who));
      return completed(who);
    });
  const late = world.run(paying('late', gate.promise), await world.take('high'));
  await world.run(paying('early', Promise.resolve()), await world.take());
  await world.clock.advance(100);
  gate.resolve();
  await late;
  expect(ran).toEqual(['early']);
  expect(await world.record('a')).toMatchObject({ status: 'completed', result: 'early' });
});

describe('a task that this app does not know', () => {
  const older = { task: () => undefined };
  const known = { task: () => app(async () => completed('done')).task('t') };

  test('goes back without a failure, and is run by a node whose app has it', async () => {
    const world = await open();
    await world.submit({ id: 'a' });
    await world.run(older, await world.take());
    expect(await world.record('a')).toMatchObject({ status: 'waiting', failures: 0, error: { code: 'unknown_task' } });
    await world.run(known, await world.eventually(world.take()), 'present');
    expect(await world.record('a')).toMatchObject({ status: 'completed', attempt: 2, failures: 0 });
  });

  test('keeps the failures that it had, and is given up for none of them', async () => {
    const world = await open();
    await world.submit({ id: 'a' });
    const failing = app(async () => failed(1_000));
    await world.run(failing, await world.take());
    await world.run(failing, await world.eventually(world.take()), 'present');
    await world.run(older, await world.eventually(world.take()), 'present');
    expect(await world.record('a')).toMatchObject({ status: 'waiting', failures: 2 });
  });

  test('is dead once a deployment would be over', async () => {
    const world = await open();
    await world.submit({ id: 'a' });
    await world.run(older, await world.take());
    await world.clock.advance(deployingMs);
    await world.run(older, await world.eventually(world.take()), 'present');
    expect(await world.record('a')).toMatchObject({ status: 'dead', reason: 'unknown_task', failures: 0 });
    expect(await readDeadLetter(world.ports, 't.a')).toMatchObject({ reason: 'unknown_task', attempts: 2 });
  });

  test('waits for longer each time', async () => {
    const world = await open();
    await world.submit({ id: 'a' });
    await world.run(older, await world.take());
    await world.run(older, await world.eventually(world.take()), 'present');
    await world.eventually(world.take());
    expect(world.clock.monotonic()).toBe(2_000 + 4_000);
  });
});

test('a message that names no task is dead-lettered once and leaves the queue', async () => {
  const world = await open();
  for (const subject of ['work.main.default.normal.0.t.a$b', 'work.main.default.normal.0.t.a.b.c'])
    await world.queue.publish(subject, bytes('null'));
  for (const _ of [1, 2])
    await world.run(
      app(async () => completed()),
      await world.take(),
    );
  await world.clock.settle();
  expect(await queued(world)).toBe(0);
  expect((await world.queue.subjects('DLQ', 'dlq.unknown.invalid_name.>')).size).toBe(2);
  expect(await world.ports.metrics.text()).toContain('troupe_bad_input_total{reason="invalid_name"} 2');
});

test('a lookup that could not be made changes nothing but the way: the record is asked for, and claimed first', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const numbers: number[] = [];
  const counting = app(async ({ number, journal }) => {
    await journal.step('s', undefined, () => numbers.push(number));
    return completed();
  });
  await world.run(counting, await world.take(), 'unknown');
  expect(numbers).toEqual([1]);
  expect(await world.record('a')).toMatchObject({ status: 'completed', attempt: 1, steps: [{ result: 1 }] });
});

test('a handler that is over before its record was looked up waits for no answer', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const once = app(async () => completed('done'));
  await world.run(once, await world.take(), 'never');
  await world.clock.settle();
  expect(await world.record('a')).toMatchObject({ status: 'completed', attempt: 1, result: 'done' });
  expect(await queued(world)).toBe(0);
});

test('a handler that is over before its record was looked up has done nothing where there is one: the record decides', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  await world.submit({ id: 'a', lane: 'high' });
  const [first, twin] = [await world.take(), await world.take('high')];
  const failing = app(async () => failed(1_000));
  await world.run(failing, first);
  const before = await world.record('a');
  const once = app(async () => completed('twin'));
  await world.run(once, twin, 'never');
  expect(await world.record('a')).toEqual(before);

  await world.submit({ id: 'a', lane: 'low' });
  const last = await world.take('low');
  await world.queue.purge('WORK_default', first.subject);
  await world.clock.advance(1_000);
  await world.run(once, last, 'never');
  expect(await world.record('a')).toEqual(before); // It could run now, but its worker runs another task by then.
  await world.run(once, await world.take('low'));
  expect(await world.record('a')).toMatchObject({ status: 'completed', attempt: 2, failures: 1, result: 'twin' });
  expect(await queued(world)).toBe(0);
});

test('a lookup that is not needed any more is dropped', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const dropped: string[] = [];
  const lookUp: LookUp = (key) => ({ found: new Promise(() => {}), drop: () => dropped.push(key) });
  await runWith(
    world.ports,
    app(async () => completed()),
    world,
    lookUp,
  );
  expect(dropped).toEqual(['t.a']);
});

test('a twin whose end comes after the other’s leaves the queue, and changes nothing', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  await world.submit({ id: 'a', lane: 'high' });
  const [first, twin] = [await world.take(), await world.take('high')];
  const gate = Promise.withResolvers<void>();
  const late = world.run(
    app(() => gate.promise.then(() => completed('twin'))),
    twin,
  );
  await world.run(
    app(async () => failed(1_000)),
    first,
  );
  const before = await world.record('a');
  gate.resolve();
  await late;
  await world.clock.settle();
  expect([await world.record('a'), await queued(world)]).toEqual([before, 1]);
});

test('a delivery that was held up beyond its ack wait leaves the attempt of the next one alone', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const first = await world.take();
  const second = await world.eventually(world.take());
  expect(second.deliveries).toBe(2);
  const gate = Promise.withResolvers<void>();
  const numbers: number[] = [];
  const counting = app(async ({ number }) => {
    numbers.push(number);
    await gate.promise;
    return completed();
  });
  const running = world.run(counting, second);
  await world.clock.settle();
  await world.run(counting, first, 'present');
  gate.resolve();
  await running;
  expect(numbers).toEqual([2, 1]); // The first's handler starts before anybody has looked, and is stopped.
  expect(await world.record('a')).toMatchObject({ status: 'completed', attempt: 2 });
  expect(await queued(world)).toBe(0);
});

test('a record that does not fit ends as dead, without its steps and its result', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const many = app(async ({ journal }) => {
    const name = (n: number): string => `${n}`.padEnd(128, '-');
    const step = (n: number) => journal.step(name(n), 'k'.repeat(700), () => 'r'.repeat(500));
    await Promise.all(Array.from({ length: 200 }, (_, n) => step(n))).catch(() => {});
    return completed('done');
  });
  await world.run(many, await world.take());
  const record = await world.record('a');
  expect(record).toMatchObject({ status: 'dead', reason: 'refused', error: { code: 'payload_too_large' }, steps: [] });
  expect(record?.result).toBeUndefined();
});

test('a large result that comes while NATS is away is recorded when it is back, and its handler runs once', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  let runs = 0;
  const large = app(async () => {
    runs += 1;
    world.cut();
    return completed('x'.repeat(100_000));
  });
  const run = world.run(large, await world.take());
  await world.clock.advance(12_000);
  world.heal();
  await world.eventually(run);
  expect([runs, await world.record('a')]).toMatchObject([1, { status: 'completed', attempt: 1 }]);
});

describe('where the bucket of large values is full', () => {
  const large = 'x'.repeat(100_000);

  test('a large result is a failure that says so, and is tried again until there is room', async () => {
    const world = await open();
    await world.submit({ id: 'a' });
    world.broker.next('blob', 'refuse');
    const usage = { inputTokens: 3, outputTokens: 2, usd: 0.5 };
    const completing = app(async () => ({ ...completed(large), usage }));
    await world.run(completing, await world.take());
    expect(await world.record('a')).toMatchObject({
      status: 'waiting',
      failures: 1,
      usage,
      error: { code: 'refused', message: expect.stringContaining('the bucket is full') },
    });
    await world.run(completing, await world.eventually(world.take()), 'present');
    expect(await world.record('a')).toMatchObject({ status: 'completed', attempt: 2, failures: 1 });
  });

  test('a large step is not recorded and fails its attempt, and what was recorded before it stays', async () => {
    const world = await open();
    await world.submit({ id: 'a' });
    world.broker.next('blob', 'refuse', { times: 2 });
    const stepping = app(async ({ journal }) => {
      await journal.step('small', undefined, () => 1);
      await journal.step('large', undefined, () => large);
      return completed();
    });
    await world.run(stepping, await world.take());
    const record = await world.record('a');
    expect(record).toMatchObject({
      status: 'waiting',
      failures: 1,
      error: { message: expect.stringContaining('full') },
    });
    expect(record?.steps.map(({ name }) => name)).toEqual(['small']);
  });

  test('a handler may do without what was refused', async () => {
    const world = await open();
    await world.submit({ id: 'a' });
    world.broker.next('blob', 'refuse', { times: 2 });
    const content = app(async ({ journal }) => {
      const kept = await journal
        .step('a', undefined, () => large)
        .catch(() => journal.step('a', undefined, () => 'less'));
      return completed(kept.value);
    });
    await world.run(content, await world.take());
    expect(await world.record('a')).toMatchObject({ status: 'completed', result: 'less', steps: [{ result: 'less' }] });
  });

  test('a step that is refused while its attempt times out leaves the outcome to be written without it', async () => {
    const world = await open();
    await world.submit({ id: 'a' });
    world.broker.next('blob', 'refuse', { times: 2 });
    const overtaken = app(async ({ journal }) => {
      void journal.step('a', undefined, () => large).catch(() => {});
      await Promise.resolve(); // It is being written.
      return failed(1_000);
    });
    await world.run(overtaken, await world.take());
    expect(await world.record('a')).toMatchObject({ status: 'waiting', failures: 1, error: { code: 'e' }, steps: [] });
  });
});

test('an outcome that the bucket of records has no room for is left to the next delivery', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const { records } = world.ports;
  let refusals = 0;
  const update: typeof records.update = (...write) =>
    (refusals += 1) <= 5 ? Promise.reject(new RefusedError('maximum bytes exceeded')) : records.update(...write);
  const running = runWith(
    { ...world.ports, records: { ...records, update } },
    app(async () => completed()),
    world,
  );
  await expect(running).rejects.toMatchObject({ code: 'refused' });
  expect([await world.record('a'), await queued(world)]).toEqual([undefined, 1]);
});

test('what a handler of ours throws by mistake leaves the delivery to its ack wait', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const broken = {
    task: () => {
      throw new NonRetryableError('no such app');
    },
  };
  await expect(world.run(broken, await world.take())).rejects.toThrow('no such app');
  expect(await queued(world)).toBe(1);
});
