import { describe, expect, test } from 'vitest';
import { giveBackForBudget, noteBudgetWait } from '../../src/task/budget-wait.ts';
import { cancelTask } from '../../src/task/cancel.ts';
import type { StartPermit } from '../../src/task/start-permit.ts';
import { runDelivery } from '../../src/task/run.ts';
import { findTask } from '../../src/task/find.ts';
import { answering, app, completed, failed, open } from './world.ts';

const crm = { budget: 'crm', node: 'n1' };

const opened = async () => {
  const world = await open();
  const done = app(async () => completed());
  return { ...world, done, status: (id: string) => findTask(world.ports, `t.${id}`) };
};

describe('a task that has not begun', () => {
  test('is noted as waiting for its budget, and then runs in its first attempt', async () => {
    const { submit, take, ports, record, status, run, done } = await opened();
    await submit({ id: 'a' });
    const delivery = await take();
    await noteBudgetWait(ports, delivery, crm);
    expect(await record('a')).toMatchObject({
      status: 'waiting',
      attempt: 0,
      waiting: { for: 'budget', budget: 'crm', node: 'n1' },
    });
    expect((await record('a'))?.startedAt).toBeUndefined();
    const detail =
      'its first attempt starts when budget "crm" has room for it and a worker is free; node n1 held it for that at 2026-01-01T00:00:00.000Z';
    expect(await status('a')).toMatchObject({ status: 'waiting', waitingFor: { reason: 'budget', detail } });
    await run(done, delivery, 'unknown');
    expect(await record('a')).toMatchObject({ status: 'completed', attempt: 1, failures: 0 });
    expect((await status('a'))?.waitingFor).toBeUndefined();
  });

  test('can be given back again and again: it is written once, and still runs in its first attempt', async () => {
    const { submit, take, ports, run, done, record, clock } = await opened();
    await submit({ id: 'a' });
    for (let n = 0; n < 5; n += 1) {
      await giveBackForBudget(ports, await take(), crm, 2_000);
      await clock.advance(2_000);
    }
    expect((await ports.records.get('t.a'))?.revision).toBe(1);
    await run(done, await take(), 'unknown');
    expect(await record('a')).toMatchObject({ status: 'completed', attempt: 1 });
  });

  test('counts no attempt though it is so old that only the history knows whether it has ended', async () => {
    const { submit, take, ports, run, done, record, clock } = await opened();
    await submit({ id: 'a' });
    await clock.advance(3_600_000);
    await giveBackForBudget(ports, await take(), crm, 1_000);
    await clock.advance(1_000);
    await run(done, await take(), 'unknown');
    expect(await record('a')).toMatchObject({ status: 'completed', attempt: 1 });
  });

  test('counts no attempt though the node that held it was killed before it was noted', async () => {
    const { submit, take, ports, run, done, record, clock } = await opened();
    await submit({ id: 'a' });
    await take();
    await clock.advance(30_000);
    const again = await take();
    expect(again.deliveries).toBe(2);
    await noteBudgetWait(ports, again, crm);
    expect(await record('a')).toMatchObject({ status: 'waiting', attempt: 0 });
    expect(await record('a')).not.toHaveProperty('lost');
    await run(done, again, 'unknown');
    expect(await record('a')).toMatchObject({ status: 'completed', attempt: 1 });
  });

  test('that was cancelled is settled instead of given back', async () => {
    const { submit, take, ports, queue, eventually, record } = await opened();
    await submit({ id: 'a' });
    const delivery = await take();
    const origin = { id: 'a', type: 't', route: { pool: 'default', lane: 'normal', partition: '0' } } as const;
    await eventually(cancelTask(ports, 't.a', { ...origin, inputHash: '', submittedAt: 0 }, undefined));
    await giveBackForBudget(ports, delivery, crm, 1_000);
    await eventually(Promise.resolve());
    expect(await queue.consumerInfo('WORK_default', 'default-normal')).toMatchObject({ ackPending: 0, pending: 0 });
    expect(await record('a')).toMatchObject({ status: 'cancelled' });
  });
});

describe('a task that has begun before', () => {
  test('keeps its failures and its last error', async () => {
    const { submit, take, ports, run, clock, record, status } = await opened();
    await submit({ id: 'a' });
    await run(
      app(async () => failed(1_000)),
      await take(),
    );
    await clock.advance(1_000);
    const { startedAt } = (await record('a')) ?? {};
    await noteBudgetWait(ports, await take(), crm);
    expect(await record('a')).toMatchObject({ attempt: 1, failures: 1, startedAt, error: { message: 'it broke' } });
    expect(await status('a')).toMatchObject({ attempt: 1, waitingFor: { reason: 'budget' } });
    expect((await status('a'))?.waitingFor?.detail).toContain('its next attempt starts when');
  });

  test('whose worker was lost keeps count of that', async () => {
    const { submit, take, ports, clock, record, run, done, node, lives } = await opened();
    await submit({ id: 'a' });
    const vanished = runDelivery({
      ports: node('w1').ports,
      executor: app(() => new Promise(() => {})),
      delivery: await take(),
      worker: 'w1',
      lives,
      lookUp: answering('absent'),
      over: () => {},
      permit: { begin: () => true, end: () => {} },
    });
    void vanished; // It never settles.
    await clock.settle();
    expect(await record('a')).toMatchObject({ status: 'running', attempt: 1 });
    await clock.advance(30_000);
    const again = await take();
    await noteBudgetWait(ports, again, crm);
    expect(await record('a')).toMatchObject({ status: 'waiting', attempt: 1, lost: 1 });
    await run(done, again, 'unknown');
    expect(await record('a')).toMatchObject({ status: 'completed', attempt: 2 });
  });

  test('and that a worker has, by another message, is left alone', async () => {
    const { submit, take, ports, record, run, clock } = await opened();
    await submit({ id: 'a' });
    const first = await take();
    const { promise: held, resolve: leave } = Promise.withResolvers<ReturnType<typeof completed>>();
    const running = run(
      app(async ({ journal }) => {
        await journal.step('s', undefined, () => 1);
        return held;
      }),
      first,
    );
    await clock.settle();
    const before = await record('a');
    expect(before).toMatchObject({ status: 'running' });
    await noteBudgetWait(ports, { ...first, seq: 999, stream: 'WORK_default' }, crm);
    expect(await record('a')).toEqual(before);
    leave(completed());
    await running;
    expect(await record('a')).toMatchObject({ status: 'completed', attempt: 1 });
  });
});

describe('a start under a permit', () => {
  const started = async (begins: boolean, lostBefore = 0) => {
    const world = await opened();
    const { ports, lives, take, submit, record, clock } = world;
    await submit({ id: 'a' });
    for (let n = 0; n < lostBefore; n += 1) {
      await take();
      await clock.advance(30_000);
    }
    const told: string[] = [];
    const permit: StartPermit = {
      begin: () => {
        told.push('begin');
        return begins;
      },
      end: () => void told.push('end'),
    };
    const executor = app(async () => {
      told.push(`run, record ${(await record('a'))?.status}`);
      return completed();
    });
    await runDelivery({
      ports,
      executor,
      delivery: await take(),
      worker: 'w',
      lives,
      lookUp: answering('absent'),
      over: () => {},
      permit,
    });
    return { ...world, told };
  };

  test('begins when the claim is written, and ends with the attempt', async () => {
    const { told, record } = await started(true);
    expect(told).toEqual(['begin', 'run, record running', 'end']);
    expect(await record('a')).toMatchObject({ status: 'completed', attempt: 1 });
  });

  test('is the first attempt, however many nodes have had the task in their hands and were killed', async () => {
    const { told, record } = await started(true, 2);
    expect(told).toEqual(['begin', 'run, record running', 'end']);
    expect(await record('a')).toMatchObject({ status: 'completed', attempt: 1 });
  });

  test('that came too late is none: the task goes back, and no attempt counts', async () => {
    const { told, record, take, run, done } = await started(false);
    expect(told).toEqual(['begin', 'end']);
    expect(await record('a')).toMatchObject({ status: 'waiting', attempt: 0 });
    await run(done, await take(), 'unknown');
    expect(await record('a')).toMatchObject({ status: 'completed', attempt: 1 });
  });
});
