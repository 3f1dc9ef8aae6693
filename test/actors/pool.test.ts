import { describe, expect, test } from 'vitest';
import { ids, poolWorld } from './pool-world.ts';

describe('a pool that stops', () => {
  test('takes nothing more, and lets its workers finish', async () => {
    const { submit, running, begun, stop, life, clock, end, world } = await poolWorld({ workers: 2 });
    await submit(ids(6));
    life.abort();
    await clock.advance(5_000);
    await submit(ids(2, 'late'));
    expect(running.size).toBe(2);
    await end(running);
    await stop();
    expect(begun).toHaveLength(2);
    expect(await world.record('a0')).toMatchObject({ status: 'completed', attempt: 1 });
  });

  test('gives back what does not finish in its grace, and nothing of it counts', async () => {
    const { submit, running, stop, clock, world } = await poolWorld({ workers: 2, graceMs: 5_000 });
    await submit(ids(6));
    for (const { attempt } of running) await attempt.journal.step('s', undefined, () => attempt.number);
    const from = clock.monotonic();
    await stop();
    expect(clock.monotonic() - from).toBeLessThan(6_000);
    const next = await poolWorld({ workers: 6, world, node: 'next' });
    await next.quiet();
    expect(next.running.size).toBe(6);
    expect(next.begun.map(({ attempt }) => attempt.number)).toEqual([1, 1, 1, 1, 1, 1]);
    await next.end(next.running);
    for (const id of ids(6))
      expect(await world.record(id)).toMatchObject({ attempt: 1, failures: 0, status: 'completed' });
    expect((await world.record('a0'))?.steps).toMatchObject([{ result: 1 }]);
  });

  test('gives back at once what was fetched and has not begun', async () => {
    const { submit, stop, world } = await poolWorld({ workers: 1, graceMs: 0 });
    await submit(['h'], 'high');
    await submit(['n'], 'normal');
    await stop();
    const next = await poolWorld({ workers: 2, world, node: 'next' });
    await next.quiet();
    expect(next.begun.map(({ id }) => id).toSorted()).toEqual(['h', 'n']);
  });

  test('still hears of the next task of a lane that had one a moment ago, and hands it back uncounted', async () => {
    const { submit, end, running, life, clock, world, begun } = await poolWorld({ workers: 2 });
    await submit(['first']);
    await end(running);
    life.abort();
    await clock.advance(50);
    await world.submit({ id: 'next', type: 't', lane: 'normal' });
    await clock.advance(1);
    expect(await world.record('next')).toMatchObject({ status: 'waiting', attempt: 0 });
    expect(begun).toHaveLength(1);
  });

  test('waits for nobody where its lanes are quiet', async () => {
    const { submit, end, running, stop, clock } = await poolWorld({ workers: 2 });
    await submit(['first']);
    await end(running);
    await clock.advance(1_000);
    const from = clock.monotonic();
    await stop();
    expect(clock.monotonic()).toBe(from);
  });

  test('twice, or while it begins, stops once', async () => {
    const { stop, life } = await poolWorld({ workers: 2 });
    await Promise.all([stop(), stop()]);
    expect(life.signal.aborted).toBe(true);
  });
});

describe('a cancellation', () => {
  test('aborts the attempt at its task on this node, and no other', async () => {
    const { submit, running, cancel } = await poolWorld({ workers: 2 });
    await submit(['a', 'b']);
    cancel('t.a');
    const aborted = Object.fromEntries([...running].map(({ id, attempt }) => [id, attempt.signal.aborted]));
    expect(aborted).toEqual({ a: true, b: false });
  });
});

test('workers are named after their node and pool, and are counted', async () => {
  const { submit, running, end, world, ports } = await poolWorld({ workers: 2 });
  await submit(['a']);
  const text = await ports.metrics.text();
  expect(text).toContain('troupe_pool_workers{pool="default"} 2');
  expect(text).toContain('troupe_pool_busy{pool="default"} 1');
  await end(running);
  expect(await ports.metrics.text()).toContain('troupe_pool_busy{pool="default"} 0');
  expect((await world.record('a'))?.worker).toMatch(/^n\.default\.[12]$/);
});
