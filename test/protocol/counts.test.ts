/**
 * Protocol 7: deliveries are not attempts. Hand-backs are handed out again, a server that was killed counts anew, so
 * attempts and failures are counted in the record alone, and five attempts that vanish are the end of a task.
 */
import { expect, test } from 'vitest';
import { readDeadLetter } from '../../src/task/dead-letter.ts';
import type { TaskRecord } from '../../src/task/record.ts';
import { world } from './fixture.ts';
import { memoryGround, onBothGrounds } from './grounds.ts';

const counts = (record: TaskRecord | undefined) => {
  const { attempt, failures, lost } = record ?? {};
  return { attempt, failures, lost };
};

test.each([true, false])(
  'five attempts that take their workers down are the end (steps recorded: %s)',
  async (writes) => {
    const attempts: number[] = [];
    let inside = Promise.withResolvers<void>();
    const setting = await world(memoryGround(), {
      run: async (ctx) => {
        if (writes) await ctx.step('one', () => 1);
        attempts.push(ctx.attempt);
        inside.resolve();
        return new Promise(() => {});
      },
    });
    await setting.submit('x', { input: 'poison' });
    for (let n = 0; n < 5; n += 1) {
      inside = Promise.withResolvers();
      const node = await setting.boot(`n${n}`);
      await setting.eventually(inside.promise);
      node.crash();
    }
    const last = await setting.boot('last');
    const record = await setting.becomes('x');
    expect(record).toMatchObject({
      status: 'dead',
      reason: 'crash',
      attempt: 5,
      failures: 0,
      error: { code: 'crash' },
    });
    expect(record?.error?.message).toContain('n4.default.');
    await setting.drained();
    expect(attempts).toEqual([1, 2, 3, 4, 5]);
    expect(await last.metrics.text()).toContain('troupe_tasks_total{type="t",outcome="dead"} 1');
    expect(await setting.eventually(readDeadLetter(last.ports, 't.x'))).toMatchObject({
      input: '"poison"',
      attempts: 5,
    });
  },
);

test('an outcome in between begins the count of the lost anew', async () => {
  let inside = Promise.withResolvers<void>();
  const setting = await world(memoryGround(), {
    retry: { max: 9, backoff: { first: '1ms', max: '1ms' } },
    run: async (ctx) => {
      inside.resolve();
      if (ctx.attempt === 5) throw new Error('an outcome');
      if (ctx.attempt === 8) return 'done';
      return new Promise(() => {});
    },
  });
  await setting.submit('x');
  for (const attempt of [1, 2, 3, 4, 6, 7]) {
    inside = Promise.withResolvers();
    const node = await setting.boot(`n${attempt}`);
    await setting.eventually(inside.promise);
    if (attempt === 6) await setting.becomes('x', (record) => record.attempt === 6);
    node.crash();
  }
  await setting.boot('last');
  expect(counts(await setting.becomes('x'))).toEqual({ attempt: 8, failures: 1, lost: undefined });
});

onBothGrounds((make) => {
  test('tasks that are handed back again and again are at their first attempt still', async () => {
    const attempts: number[] = [];
    let inside = Promise.withResolvers<void>();
    const setting = await world(await make(), {
      graceMs: 0,
      run: async (ctx) => {
        await ctx.step('one', () => 1);
        attempts.push(ctx.attempt);
        inside.resolve();
        return attempts.length === 5 ? 'done' : new Promise(() => {});
      },
    });
    await setting.submit('x');
    for (let n = 0; n < 4; n += 1) {
      inside = Promise.withResolvers();
      const node = await setting.boot(`n${n}`);
      await setting.eventually(inside.promise);
      await node.stop();
    }
    await setting.boot('last');
    const record = await setting.becomes('x');
    expect(record).toMatchObject({ status: 'completed', worker: expect.stringMatching(/^last\./) });
    expect([counts(record), attempts]).toEqual([{ attempt: 1, failures: 0, lost: undefined }, [1, 1, 1, 1, 1]]);
    await setting.drained();
  });

  test('a failure is counted once, however often its message was handed out', async () => {
    const setting = await world(await make(), {
      retry: { max: 3, backoff: { first: '1ms', max: '1ms' } },
      run: async () => {
        throw new Error('no');
      },
    });
    await setting.boot('a');
    await setting.submit('x');
    expect(counts(await setting.becomes('x'))).toEqual({ attempt: 3, failures: 3, lost: undefined });
    await setting.drained();
  });
});

test('a server that was killed begins to count deliveries anew, and nobody’s attempts', async () => {
  const ground = memoryGround();
  const setting = await world(ground, {
    retry: { max: 3, backoff: { first: '2s', max: '2s' } },
    run: async (ctx) => {
      await ctx.step(`step ${ctx.attempt}`, () => 1);
      throw new Error('no');
    },
  });
  await setting.boot('a');
  await setting.submit('x');
  await setting.becomes('x', ({ failures }) => failures === 1);
  ground.broker.restart({ crash: true });
  await setting.becomes('x', ({ failures }) => failures === 2);
  ground.broker.restart({ crash: true });
  const record = await setting.becomes('x');
  expect(counts(record)).toEqual({ attempt: 3, failures: 3, lost: undefined });
  expect(record?.steps.map(({ name }) => name)).toEqual(['step 1', 'step 2', 'step 3']);
});
