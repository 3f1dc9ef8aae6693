import { describe, expect, test } from 'vitest';
import { open } from '../task/world.ts';
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

  test.each([
    { graceMs: 25_000, endsAfterMs: 23_000 },
    { graceMs: 300_000, endsAfterMs: 200_000 },
  ])('keeps alive what ends in its grace of $graceMs ms', async ({ graceMs, endsAfterMs }) => {
    const one = await poolWorld({ workers: 2, graceMs });
    const { submit, running, clock, life, end, world } = one;
    await submit(['a', 'b']);
    // As long as may be since it was last said to be worked on.
    await clock.advance(9_900);
    life.abort();
    const two = await poolWorld({ workers: 2, world, node: 'two' });
    await clock.advance(endsAfterMs);
    await end(running);
    await clock.advance(60_000);
    expect(two.begun).toEqual([]);
    for (const id of ['a', 'b']) expect(await world.record(id)).toMatchObject({ status: 'completed', attempt: 1 });
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

  test('leaves no timer behind', async () => {
    const world = await open();
    const before = world.clock.pending;
    const { stop } = await poolWorld({ workers: 2, world });
    await stop();
    expect(world.clock.pending).toBe(before);
  });

  test('twice, or while it begins, stops once', async () => {
    const { stop, life } = await poolWorld({ workers: 2 });
    await Promise.all([stop(), stop()]);
    expect(life.signal.aborted).toBe(true);
  });
});

describe('an attempt whose handler was over before its record was looked up', () => {
  test('leaves the task to the one that has overtaken it', async () => {
    const cut = Promise.withResolvers<void>();
    let cuts = 2; // A look, and the write of the outcome.
    const late = async <Answer>(go: () => Promise<Answer>): Promise<Answer> => {
      if (cuts > 0) {
        cuts -= 1;
        await cut.promise;
      }
      return go();
    };
    const { clock, world, end, running, submit, begun } = await poolWorld({
      workers: 1,
      ackWaitMs: 1e7, // It cannot be heard either.
      ports: (ports) => ({
        ...ports,
        records: {
          ...ports.records,
          getMany: (keys) => late(() => ports.records.getMany(keys)),
          update: (...write) => late(() => ports.records.update(...write)),
        },
      }),
    });
    await submit(['a']);
    await end(running);
    await clock.advance(31_000);
    expect(await world.record('a')).toMatchObject({ status: 'running', attempt: 2 });
    cut.resolve();
    await clock.advance(20_000);
    expect(begun.map(({ attempt }) => attempt.number)).toEqual([1, 2]);
    expect(begun.at(-1)?.attempt.signal.aborted).toBe(false);
    await end(running);
    expect(await world.record('a')).toMatchObject({ status: 'completed', attempt: 2 });
  });

  test('runs no step any more that waited for that', async () => {
    const looked = Promise.withResolvers<void>();
    const { submit, running, end, quiet, world } = await poolWorld({
      workers: 1,
      ports: (ports) => ({
        ...ports,
        records: { ...ports.records, getMany: (keys) => looked.promise.then(() => ports.records.getMany(keys)) },
      }),
    });
    await submit(['a']);
    const effects: string[] = [];
    const steps = [...running].map(({ attempt }) =>
      attempt.journal.step('mail', undefined, () => effects.push('mail')),
    );
    await end(running);
    looked.resolve();
    await expect(Promise.all(steps)).rejects.toThrow('step "mail" was not run');
    await quiet();
    expect(effects).toEqual([]);
    expect(await world.record('a')).toMatchObject({ status: 'completed', steps: [] });
  });
});

describe('a node whose link is dead, and whose connection has yet to break', () => {
  test('runs no step any more that another may have run', async () => {
    let isDead = false;
    const { submit, running, clock, world } = await poolWorld({
      workers: 1,
      ports: (ports) => ({
        ...ports,
        bus: {
          ...ports.bus,
          connection: 'connected',
          flush: () => (isDead ? new Promise(() => {}) : ports.bus.flush()),
        },
      }),
    });
    await submit(['a']);
    const [{ attempt } = expect.fail('nothing runs')] = running;
    await attempt.journal.step('one', undefined, () => 1);
    isDead = true;
    await clock.advance(30_000);
    const entry = await world.ports.records.get('t.a');
    await world.ports.records.put('t.a', entry?.value ?? new Uint8Array()); // As another's claim.
    const effects: string[] = [];
    const late = attempt.journal.step('two', undefined, () => effects.push('two'));
    await expect(late).rejects.toThrow('was written by another');
    expect(effects).toEqual([]);
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
