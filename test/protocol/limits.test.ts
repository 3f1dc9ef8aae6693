/** Deadlines, wherever they pass; and nodes that stop: what they had comes to others, and nothing of it is counted. */
import { expect, test } from 'vitest';
import { readDeadLetter } from '../../src/task/dead-letter.ts';
import { between } from './failpoints.ts';
import { world } from './fixture.ts';
import { onBothGrounds } from './grounds.ts';

onBothGrounds((make) => {
  test('a deadline that passes in the queue is the end of a task that never ran', async () => {
    let ran = 0;
    const setting = await world(await make(), { run: async () => (ran += 1) });
    await setting.submit('x', { envelope: { deadlineAt: setting.queue.now() - 1 } });
    const { ports } = await setting.boot('a');
    expect(await setting.becomes('x')).toMatchObject({ status: 'dead', reason: 'deadline', failures: 0 });
    await setting.drained();
    expect(await setting.eventually(readDeadLetter(ports, 't.x'))).toMatchObject({
      error: { code: 'deadline_exceeded' },
    });
    expect(ran).toBe(0);
  });

  test('a deadline that passes in an attempt aborts it', async () => {
    const reasons: unknown[] = [];
    const setting = await world(await make(), {
      run: async (ctx) => {
        ctx.abortSignal.addEventListener('abort', () => reasons.push(ctx.abortSignal.reason));
        await new Promise(() => {});
      },
    });
    await setting.boot('a');
    await setting.submit('x', { envelope: { deadlineMs: 300 } });
    expect(await setting.becomes('x')).toMatchObject({ status: 'dead', reason: 'deadline', attempt: 1, failures: 0 });
    await setting.drained();
    expect(reasons).toMatchObject([{ code: 'deadline_exceeded' }]);
  });

  test('a deadline that would pass before the next attempt is not waited for', async () => {
    const setting = await world(await make(), {
      retry: { max: 99, backoff: { first: '1h', max: '1h' } },
      run: async () => {
        throw new Error('no');
      },
    });
    await setting.boot('a');
    await setting.submit('x', { envelope: { deadlineMs: 1_000 } });
    expect(await setting.becomes('x')).toMatchObject({ status: 'dead', reason: 'deadline' });
    await setting.drained();
  });

  test('a node that stops under load hands back what it does not finish; nothing is lost, repeated or counted', async () => {
    const ends = new Map<string, number>();
    let slow = true;
    const setting = await world(await make(), {
      workers: 4,
      graceMs: 0,
      run: async (ctx) => {
        await ctx.step('one', () => void ends.set(ctx.id, (ends.get(ctx.id) ?? 0) + 1));
        if (slow) await new Promise(() => {});
        return ctx.attempt;
      },
    });
    const ids = Array.from({ length: 30 }, (_, n) => `x${n}`);
    await Promise.all(ids.map((id) => setting.submit(id)));
    const first = await setting.boot('a');
    await setting.until(
      async () => ends.size,
      (size) => size === 4,
    );
    slow = false;
    await first.stop();
    const again: number[] = [];
    const noting = between({
      deliver: ({ subject, deliveries }) => subject.startsWith('work.') && deliveries > 2 && again.push(deliveries),
    });
    await setting.boot('b', { around: noting });
    for (const id of ids)
      expect(await setting.becomes(id)).toMatchObject({ status: 'completed', attempt: 1, failures: 0, result: 1 });
    await setting.drained();
    expect([[...ends.values()].every((times) => times === 1), ends.size, again]).toEqual([true, 30, []]);
  });
});
