import { expect, test } from 'vitest';
import { UncaughtError, whoAnswers } from '../../src/kernel/stray.ts';
import { readDeadLetter } from '../../src/task/dead-letter.ts';
import type { Attempt, Outcome } from '../../src/task/executor.ts';
import { DrainedError } from '../../src/task/handler.ts';
import { app, completed, failed, open } from './world.ts';

/** A handler that stays inside until it is let go. */
const held = () => {
  const { promise: inside, resolve: enter } = Promise.withResolvers<Attempt>();
  const { promise: outcome, resolve: leave } = Promise.withResolvers<Outcome>();
  const run = (attempt: Attempt): Promise<Outcome> => {
    enter(attempt);
    return outcome;
  };
  return { run, inside, leave };
};

test('an attempt that takes longer than its timeout has failed, and what its handler still does is not recorded', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const { run, inside, leave } = held();
  const running = world.run(app(run, { timeoutMs: 2_000 }), await world.take());
  const { journal, signal } = await inside;
  await world.clock.advance(2_000);
  await running;
  expect(signal.reason).toMatchObject({ code: 'timeout' });
  const record = await world.record('a');
  expect(record).toMatchObject({ status: 'waiting', failures: 1, error: { code: 'timeout' } });
  await expect(journal.step('late', undefined, () => 1)).rejects.toMatchObject({ code: 'fenced' });
  leave(completed('late'));
  await world.clock.settle();
  expect(await world.record('a')).toEqual(record);
});

test('an exception that nobody could catch is the failure of the attempt in whose name it was thrown', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const thrown = app(() => {
    whoAnswers()?.fail(new UncaughtError(new Error('boom')));
    return new Promise<never>(() => {});
  });
  await world.run(thrown, await world.take());
  expect(await world.record('a')).toMatchObject({
    status: 'waiting',
    failures: 1,
    error: { code: 'uncaught_exception', message: expect.stringContaining('boom') },
  });
});

test('a cancelled attempt whose handler goes on makes no further step', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const { run, inside } = held();
  const running = world.run(app(run), await world.take());
  const { journal } = await inside;
  await journal.step('a', undefined, () => 1);
  world.lives.cancel('t.a');
  await running;
  const ran: string[] = [];
  await expect(journal.step('late', undefined, () => ran.push('late'))).rejects.toMatchObject({ code: 'fenced' });
  expect(ran).toEqual([]);
});

test('a drain gives back what has written nothing, and it counts as no attempt', async () => {
  const world = await open();
  await world.submit({ id: 'a' });
  const { run, inside } = held();
  const running = world.run(app(run), await world.take());
  const { journal } = await inside;
  world.lives.stop(new DrainedError('stop'));
  await running;
  await expect(journal.step('late', undefined, () => 1)).rejects.toMatchObject({ code: 'fenced' });
  expect(await world.record('a')).toMatchObject({ status: 'waiting', attempt: 0, waiting: { for: 'handback' } });
  const other = world.node('other');
  await other.run(
    app(async () => completed()),
    await world.take(),
  );
  expect(await world.record('a')).toMatchObject({ status: 'completed', attempt: 1, failures: 0 });
});

test('a drain gives back what has written something, and it counts as nothing: not even a write that is on its way', async () => {
  for (const inFlight of [false, true]) {
    const world = await open();
    await world.submit({ id: 'a' });
    const { run, inside } = held();
    const running = world.run(app(run), await world.take());
    const { journal } = await inside;
    const step = journal.step('a', undefined, () => 1);
    if (!inFlight) await step;
    world.lives.stop(new DrainedError('stop'));
    await running;
    await step;
    expect(await world.record('a')).toMatchObject({ status: 'waiting', attempt: 0, waiting: { for: 'handback' } });
    const other = world.node('other');
    await other.run(
      app(async () => completed()),
      await other.take(),
      'present',
    );
    const record = await world.record('a');
    expect(record).toMatchObject({
      status: 'completed',
      attempt: 1,
      failures: 0,
      worker: 'other',
      steps: [{ name: 'a' }],
    });
    expect(record?.lost).toBeUndefined();
  }
});

test('a deadline that passes in the queue, in an attempt or before the next one is the end', async () => {
  const inQueue = await open();
  await inQueue.submit({ id: 'a', envelope: { deadlineMs: 1_000 } });
  const late = await inQueue.take();
  await inQueue.clock.advance(1_001);
  const ran: number[] = [];
  await inQueue.run(
    app(async ({ number }) => completed(ran.push(number))),
    late,
  );
  expect([ran, await inQueue.record('a')]).toMatchObject([[], { status: 'dead', reason: 'deadline' }]);

  const inAttempt = await open();
  await inAttempt.submit({ id: 'a', envelope: { deadlineMs: 1_000 } });
  const { run, inside } = held();
  const running = inAttempt.run(app(run), await inAttempt.take());
  await inside;
  await inAttempt.clock.advance(1_000);
  await running;
  expect(await inAttempt.record('a')).toMatchObject({ status: 'dead', reason: 'deadline', failures: 0 });

  const inRetry = await open();
  await inRetry.submit({ id: 'a', envelope: { deadlineMs: 1_000 } });
  await inRetry.run(
    app(async () => failed(2_000)),
    await inRetry.take(),
  );
  expect(await inRetry.record('a')).toMatchObject({ status: 'dead', reason: 'deadline', failures: 1 });
  for (const { ports } of [inQueue, inAttempt, inRetry])
    expect(await readDeadLetter(ports, 't.a')).toMatchObject({ error: { code: 'deadline_exceeded' } });
});
