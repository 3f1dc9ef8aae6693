/**
 * Protocol 1: two stored messages for one id, as a dedupe window that has forgotten leaves them, fenced each other's
 * attempts until none were left. The record names the message that holds the task: another one asks whether that is
 * still stored, and if so takes itself away.
 */
import { expect, test } from 'vitest';
import type { Delivery } from '../../src/bus/queue.ts';
import { streams } from '../../src/bus/subjects.ts';
import { UnavailableError } from '../../src/kernel/errors.ts';
import { world } from './fixture.ts';
import { between } from './failpoints.ts';
import { memoryGround, onBothGrounds } from './grounds.ts';

const noting =
  (deliveries: number[]) =>
  (delivery: Delivery): void => {
    if (delivery.subject.startsWith('work.')) deliveries.push(delivery.deliveries);
  };

onBothGrounds((make) => {
  test('a twin of a task that runs takes itself away, and the task is done once', async () => {
    const [inside, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const steps: number[] = [];
    const { boot, submit, becomes, drained, messages, until } = await world(await make(), {
      run: async (ctx) => {
        await ctx.step('one', () => void steps.push(ctx.attempt));
        inside.resolve();
        await gate.promise;
        return ctx.step('two', () => 'done');
      },
    });
    await boot('a');
    await boot('b');
    await submit('x');
    await inside.promise;
    expect(await submit('x', { lane: 'high' })).toEqual({ duplicate: true, submittedAt: expect.any(Number) });
    await submit('x', { pool: 'other' });
    await until(
      () => messages(streams.work('main', 'other')),
      (left) => left === 0,
    );
    await until(
      () => messages(streams.work('main', 'default')),
      (left) => left === 1,
    );
    gate.resolve();
    expect(await becomes('x')).toMatchObject({ status: 'completed', attempt: 1, result: 'done' });
    await drained();
    expect(steps).toEqual([1]);
  });

  test('twins that begin at the same moment: one of them commits, and the other takes itself away', async () => {
    const [both, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let begun = 0;
    const { boot, submit, becomes, drained, record, until, messages } = await world(await make(), {
      run: async (ctx) => {
        begun += 1;
        if (begun === 2) both.resolve();
        await both.promise;
        await ctx.step('one', () => 1);
        await gate.promise;
        return begun;
      },
    });
    const delivered: number[] = [];
    await submit('x');
    await submit('x', { lane: 'high' });
    await boot('a', { around: between({ deliver: noting(delivered) }) });
    await until(
      () => messages(streams.work('main', 'default')),
      (left) => left === 1,
    );
    gate.resolve();
    const first = await becomes('x');
    await drained();
    expect(await record('x')).toEqual(first);
    expect(first).toMatchObject({ status: 'completed', attempt: 1, failures: 0 });
    // Neither waits for its ack wait: the loser knows what it lost to.
    expect([begun, delivered]).toEqual([2, [1, 1]]);
  });

  test('a twin takes the task over when the message that held it is gone', async () => {
    const inside = Promise.withResolvers<void>();
    const attempts: number[] = [];
    const { boot, submit, becomes, drained, queue, eventually } = await world(await make(), {
      run: async (ctx) => {
        await ctx.step('one', () => 1);
        attempts.push(ctx.attempt);
        if (ctx.attempt > 1) return 'taken over';
        inside.resolve();
        return new Promise(() => {});
      },
    });
    const first = await boot('a');
    await submit('x');
    await inside.promise;
    first.crash();
    await eventually(queue.purge(streams.work('main', 'default'), '>'));
    await submit('x', { lane: 'high' });
    await boot('b');
    expect(await becomes('x')).toMatchObject({ status: 'completed', attempt: 2, result: 'taken over' });
    await drained();
    expect(attempts).toEqual([1, 2]);
  });
});

test('a twin whose holder cannot be asked for waits, and does not run', async () => {
  const inside = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const begun: string[] = [];
  const { boot, submit, becomes, drained } = await world(memoryGround(), {
    run: async (ctx) => {
      await ctx.step('one', () => void begun.push('step'));
      inside.resolve();
      await gate.promise;
      return 'done';
    },
  });
  const asked = Promise.withResolvers<void>();
  let away = true;
  await boot('a', {
    around: (link) => ({
      ...link,
      queue: {
        ...link.queue,
        get: async (stream, seq) => {
          if (!away) return link.queue.get(stream, seq);
          away = false;
          asked.resolve();
          throw new UnavailableError('no leader');
        },
      },
    }),
  });
  await submit('x');
  await inside.promise;
  await submit('x', { lane: 'high' });
  await asked.promise;
  gate.resolve();
  expect(await becomes('x')).toMatchObject({ status: 'completed', attempt: 1 });
  await drained();
  expect(begun).toEqual(['step']);
});
