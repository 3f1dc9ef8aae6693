/** Protocol 8, 9 and 10: what is not due yet is neither lost in a full queue, nor run twice, nor run after its cancellation. */
import { describe, expect, test } from 'vitest';
import { streams, subjects } from '../../src/bus/subjects.ts';
import { cancelTask } from '../../src/task/cancel.ts';

import type { Origin } from '../../src/task/transitions.ts';
import { world } from './fixture.ts';
import { memoryGround, onBothGrounds } from './grounds.ts';

const origin: Origin = {
  id: 'x',
  type: 't',
  route: { pool: 'default', lane: 'normal', partition: '0' },
  inputHash: '',
  submittedAt: 0,
};

onBothGrounds((make) => {
  test('a full pool refuses the submitter, leaves what is due in SCHED, and loses nothing that was accepted', async () => {
    const gate = Promise.withResolvers<void>();
    const setting = await world(await make(), {
      queueBytes: 16_000,
      workers: 1,
      run: async () => {
        await gate.promise;
      },
    });
    await setting.boot('a');
    const delayed = ['d0', 'd1', 'd2'];
    for (const id of delayed) await setting.submit(id, { input: 'y'.repeat(3_000), envelope: { delayMs: 300 } });
    const accepted: string[] = [];
    const fill = async (): Promise<never> => {
      const id = `f${accepted.length}`;
      await setting.submit(id, { input: 'x'.repeat(3_000) });
      accepted.push(id);
      return fill();
    };
    await expect(fill()).rejects.toMatchObject({ code: 'overloaded' });
    await setting.until(
      () => setting.queue.subjects(streams.sched, 'due.>'),
      ({ size }) => size === delayed.length,
    );
    expect(await setting.messages(streams.sched)).toBe(delayed.length);
    gate.resolve();
    for (const id of [...accepted, ...delayed])
      expect(await setting.becomes(id)).toMatchObject({ status: 'completed', attempt: 1 });
    await setting.drained();
  });

  test('each firing of a schedule is a run of its own, with an id of its own', async () => {
    const ids: string[] = [];
    const setting = await world(await make(), { run: async (ctx) => void ids.push(ctx.id), every: { period: '1s' } });
    const node = await setting.boot('a');
    await setting.until(
      async () => ids,
      ({ length }) => length >= 2,
    );
    await node.stop();
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) {
      expect(id).toMatch(/^tick-/);
      expect(await setting.record(id)).toMatchObject({ status: 'completed', attempt: 1 });
    }
  });

  test('a delayed task that was cancelled does not run when it is due', async () => {
    let ran = 0;
    const setting = await world(await make(), { run: async () => (ran += 1) });
    const { ports } = await setting.boot('a');
    await setting.submit('x', { envelope: { delayMs: 500 } });
    await setting.submit('after', { envelope: { delayMs: 500 } });
    expect(await setting.eventually(cancelTask(ports, 't.x', origin, undefined))).toMatchObject({
      status: 'cancelled',
    });
    await setting.becomes('after');
    await setting.drained();
    expect([ran, await setting.record('x')]).toMatchObject([1, { status: 'cancelled', attempt: 0 }]);
  });
});

describe('in memory', () => {
  const month = 30 * 86_400_000;

  test('a cancellation stands though its canceller died after its first write, and the task is due a month later', async () => {
    let ran = 0;
    const ground = memoryGround();
    const setting = await world(ground, { run: async () => (ran += 1) });
    await setting.submit('x', { envelope: { delayMs: month } });
    const dying = await setting.boot('dying', {
      around: ({ queue, ...link }) => ({ ...link, queue: { ...queue, purge: () => new Promise(() => {}) } }),
    });
    void cancelTask(dying.ports, 't.x', origin, undefined); // It never comes to its end.
    await setting.becomes('x');
    dying.crash();
    await ground.clock.advance(month - 1_000);
    expect(await setting.record('x')).toMatchObject({ status: 'cancelled' });
    await ground.clock.advance(2_000);
    expect((await setting.queue.last(streams.sched, 'due.>'))?.subject).toBe(subjects.due('main', origin.route, 't.x'));
    await setting.boot('a');
    await setting.drained();
    expect(ran).toBe(0);
    await setting.until(
      () => setting.records.get('t.x'),
      (entry) => entry?.ttlMs !== undefined,
    );
  });

  test('one that waits for its next attempt and is cancelled has no attempt more', async () => {
    let ran = 0;
    const setting = await world(memoryGround(), {
      retry: { max: 9, backoff: { first: '1h', max: '1h' } },
      run: async () => {
        ran += 1;
        throw new Error('no');
      },
    });
    const { ports } = await setting.boot('a');
    await setting.submit('x');
    await setting.becomes('x', ({ status }) => status === 'waiting');
    await setting.eventually(cancelTask(ports, 't.x', origin, undefined));
    await setting.drained();
    await setting.eventually(setting.clock.sleep(100_000));
    expect([ran, await setting.record('x')]).toMatchObject([1, { status: 'cancelled', failures: 1 }]);
  });

  test('a firing is skipped while the task of the last one has not ended, through a crash of its node too', async () => {
    const ids: string[] = [];
    let gate = Promise.withResolvers<void>();
    const setting = await world(memoryGround(), {
      every: { period: '10s' },
      run: async (ctx) => {
        await ctx.step('one', () => void ids.push(ctx.id));
        await gate.promise;
      },
    });
    const first = await setting.boot('a');
    await setting.until(
      async () => ids,
      ({ length }) => length === 1,
    );
    first.crash();
    await setting.boot('b');
    await setting.eventually(setting.clock.sleep(35_000));
    expect(ids).toHaveLength(1);
    gate.resolve();
    gate = Promise.withResolvers();
    await setting.until(
      async () => ids,
      ({ length }) => length === 2,
    );
    gate.resolve();
  });
});
