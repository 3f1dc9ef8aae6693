import { describe, expect, test } from 'vitest';
import { whyOf } from '../../src/actors/doors-why.ts';
import { UnavailableError } from '../../src/kernel/errors.ts';
import { cancelTask } from '../../src/task/cancel.ts';
import type { TaskPorts } from '../../src/task/ports.ts';
import { decodeRecord } from '../../src/task/record.ts';
import { findTask } from '../../src/task/find.ts';
import { notedPermits } from '../llm/permits.ts';
import { failed } from '../task/world.ts';
import { ids, type PoolWorldOptions, poolWorld } from './pool-world.ts';

/** A pool whose tasks of the type `limited` need permits, which the test grants. */
const opened = async (options: Partial<PoolWorldOptions> = {}, hold = true) => {
  const { permits, granted, waiting } = notedPermits({ hold });
  let deliveries = 0;
  const counted = (ports: TaskPorts): TaskPorts => ({
    ...ports,
    queue: {
      ...ports.queue,
      consume: (stream, consumer, handlers) =>
        ports.queue.consume(stream, consumer, {
          ...handlers,
          deliver: (delivery) => {
            deliveries += 1;
            handlers.deliver(delivery);
          },
        }),
    },
  });
  const made = await poolWorld({ workers: 2, permits, ports: counted, ...options });
  const { world, clock, submit, quiet } = made;
  /** Grants the permit that has been asked for first, and answers whether somebody had asked. */
  const grant = async (inTime?: boolean): Promise<boolean> => {
    const next = waiting.shift();
    next?.grant(inTime);
    await quiet();
    return next !== undefined;
  };
  const key = (id: string): string => `limited.${id}`;
  return {
    ...made,
    granted,
    waiting,
    grant,
    limited: (some: readonly string[], lane?: 'high' | 'normal' | 'low') => submit(some, lane, 'limited'),
    deliveries: () => deliveries,
    record: async (id: string) => {
      const entry = await world.ports.records.get(key(id));
      return entry && decodeRecord(entry.value);
    },
    status: (id: string) => findTask(world.ports, key(id)),
    cancelTask: async (id: string): Promise<void> => {
      const origin = { id, type: 'limited', route: { pool: 'default', lane: 'normal', partition: '0' } } as const;
      await world.eventually(
        cancelTask(world.ports, key(id), { ...origin, inputHash: '', submittedAt: clock.wall() }, undefined),
      );
      made.cancel(key(id));
      await quiet();
    },
  };
};

describe('a task with a budget', () => {
  test('waits for its permit outside of any slot: the workers run others meanwhile', async () => {
    const { limited, submit, running, grant, granted, end } = await opened();
    await limited(ids(3));
    expect(running.size).toBe(0);
    await submit(ids(2, 'plain'));
    expect([...running].map(({ id }) => id)).toEqual(['plain0', 'plain1']);
    await end(running);
    await grant();
    expect([...running].map(({ id }) => id)).toEqual(['a0']);
    expect(granted).toMatchObject([
      { budget: 'crm', wanted: { amount: { requests: 1, tokens: 0 } }, fate: ['sent', 'heard'] },
    ]);
    await end(running);
    expect(granted[0]?.fate.at(-1)).toBe('settled');
  });

  test('that has its permit is the next to be given a worker', async () => {
    const { limited, submit, running, grant, end, of, begun } = await opened({ workers: 1 });
    await submit(ids(5, 'plain'), 'high');
    await limited(['a'], 'low');
    await grant();
    expect(of('low')).toHaveLength(0);
    await end(running);
    expect(of('low').map(({ id }) => id)).toEqual(['a']);
    while (running.size > 0) await end(running);
    expect(begun).toHaveLength(6);
  });

  test('says so in its status once it has waited for a while, and no attempt is counted', async () => {
    const { limited, clock, status, record, grant, running, end } = await opened();
    await limited(['a']);
    expect(await status('a')).toMatchObject({ status: 'running' });
    await clock.advance(500);
    expect(await status('a')).toMatchObject({
      status: 'waiting',
      attempt: 0,
      waitingFor: { reason: 'budget', detail: expect.stringContaining('node n held it') },
    });
    const told = await status('a');
    expect(told && whyOf(told)).toContain('budget "crm" has room for it and a worker is free; node n held it');
    await clock.advance(3_600_000);
    const startedAt = new Date(clock.wall()).toISOString().slice(0, 19);
    await grant();
    expect(await status('a')).toMatchObject({ status: 'running', attempt: 1 });
    await end(running);
    const ended = await record('a');
    expect(ended).toMatchObject({ status: 'completed', attempt: 1, failures: 0 });
    expect(ended?.startedAt?.slice(0, 19)).toBe(startedAt);
  });

  test('is not said to wait for its budget where it is a worker that is missing', async () => {
    const { limited, submit, clock, status, grant } = await opened({ workers: 1 });
    await limited(['a']);
    await submit(['plain']);
    await grant();
    await clock.advance(400);
    expect(await status('a')).toMatchObject({ status: 'running' });
  });

  test('is kept alive while it waits, and no other node gets it', async () => {
    const { limited, clock, deliveries, grant, begun } = await opened();
    await limited(['a', 'b']);
    for (let minute = 0; minute < 20; minute += 1) await clock.advance(60_000);
    expect(deliveries()).toBe(2);
    await grant();
    await grant();
    expect(begun.map(({ attempt }) => attempt.number)).toEqual([1, 1]);
  });

  test('takes another permit for each attempt', async () => {
    const { limited, running, grant, granted, clock, record, status, end } = await opened();
    await limited(['a']);
    await grant();
    for (const each of [...running]) each.end(failed(1_000));
    await clock.advance(900);
    expect(granted).toHaveLength(1);
    await clock.advance(600);
    expect(running.size).toBe(0);
    expect(await status('a')).toMatchObject({ attempt: 1, waitingFor: { reason: 'budget' } });
    await grant();
    await end(running);
    expect(granted.map(({ fate }) => fate)).toEqual([
      ['sent', 'heard', 'settled'],
      ['sent', 'heard', 'settled'],
    ]);
    expect(await record('a')).toMatchObject({ status: 'completed', attempt: 2, failures: 1 });
  });

  test('returns a permit that runs out before a worker is free, and asks for another, one at a time', async () => {
    const { limited, submit, running, grant, granted, waiting, clock, end, of } = await opened({ workers: 1 });
    await limited(ids(3), 'low');
    await submit(['plain']);
    for (const one of waiting.splice(0)) one.grant(false);
    for (let n = 0; n < 10; n += 1) {
      await clock.advance(150);
      expect(waiting).toHaveLength(1);
      await grant(false);
    }
    await clock.advance(150);
    expect(granted.every(({ fate }) => fate[0] === 'unsent')).toBe(true);
    await end(running);
    expect(running.size).toBe(0);
    await grant();
    expect(of('low').map(({ id }) => id)).toEqual(['a0']);
  });

  test('ends as dead when its deadline passes meanwhile, and asks no more', async () => {
    const { world, clock, record, begun, waiting, quiet, granted, inHand } = await opened();
    const deadlineAt = clock.wall() + 5_000;
    await world.submit({ id: 'a', type: 'limited', envelope: { deadlineAt } });
    await quiet();
    await clock.advance(4_900);
    expect(await record('a')).toMatchObject({ status: 'waiting' });
    await clock.advance(300);
    expect(await record('a')).toMatchObject({ status: 'dead', reason: 'deadline' });
    expect(waiting).toHaveLength(1);
    expect(waiting[0]?.wanted.signal.aborted).toBe(true);
    expect([begun.length, granted.length, await inHand()]).toEqual([0, 0, 0]);
  });

  test('can be cancelled while it waits', async () => {
    const { limited, clock, cancelTask: cancel, record, begun, waiting, inHand } = await opened();
    await limited(['a', 'b']);
    await clock.advance(500);
    await cancel('a');
    expect(await record('a')).toMatchObject({ status: 'cancelled', attempt: 0 });
    expect(waiting.map(({ wanted }) => wanted.signal.aborted)).toEqual([true, false]);
    expect([begun.length, await inHand()]).toEqual([0, 1]);
  });

  test('returns a permit that was on its way when it was cancelled', async () => {
    const { limited, clock, cancelTask: cancel, waiting, granted } = await opened();
    await limited(['a']);
    await clock.advance(500);
    waiting[0]?.grant(); // Its answer is there, and not heard yet.
    await cancel('a');
    expect(granted.map(({ fate }) => fate)).toEqual([['unsent']]);
  });

  test('has no permits asked for beyond what workers are free to use, and one in advance', async () => {
    const { limited, submit, running, clock, waiting, grant, end } = await opened({ workers: 1 });
    await limited(ids(5));
    await submit(['plain']);
    expect(waiting).toHaveLength(1);
    await grant();
    await clock.advance(1_000);
    expect(waiting).toHaveLength(0);
    await end(running);
    expect([...running].map(({ id }) => id)).toEqual(['a0']);
    expect(waiting).toHaveLength(1);
  });

  test('of a better lane is given a worker first, whichever came first', async () => {
    const { limited, submit, running, grant, end } = await opened({ workers: 1 });
    await limited(['low'], 'low');
    await limited(['high'], 'high');
    await submit(['plain']);
    for (let n = 0; n < 2; n += 1) await grant();
    await end(running);
    expect([...running].map(({ id }) => id)).toEqual(['high']);
  });

  test('waits on where permits cannot be asked for, and asks no more than once a second', async () => {
    const { limited, waiting, clock, running } = await opened();
    await limited(['a']);
    let asked = 0;
    for (let tenth = 0; tenth < 600; tenth += 1) {
      asked += waiting.length;
      for (const one of waiting.splice(0)) one.refuse(new UnavailableError('the connection is no more'));
      await clock.advance(100);
    }
    expect(asked).toBeGreaterThan(20);
    expect(asked).toBeLessThanOrEqual(60);
    await clock.advance(2_000);
    for (const one of waiting.splice(0)) one.grant();
    await clock.advance(1);
    expect(running.size).toBe(1);
  });
});

describe('when more wait than are held', () => {
  test('the others come again later, those behind them run, and all are started in the end, in their first attempt', async () => {
    const { limited, submit, running, begun, clock, waiting, inHand, end, quiet, record } = await opened();
    await limited(ids(200));
    await submit(ids(4, 'plain'));
    for (let tenth = 0; tenth < 50 && begun.length < 4; tenth += 1) {
      await clock.advance(100);
      await end(running);
    }
    await end(running);
    expect(begun.map(({ id }) => id).toSorted()).toEqual(['plain0', 'plain1', 'plain2', 'plain3']);
    expect(await inHand()).toBe(200);
    expect(await record('a199')).toMatchObject({ status: 'waiting', attempt: 0, waiting: { for: 'budget' } });
    for (let n = 0; n < 10_000 && begun.length < 204; n += 1) {
      for (const one of waiting.splice(0, 2)) one.grant();
      await quiet();
      await end(running);
      await clock.advance(20);
    }
    expect(begun.length).toBe(204);
    expect(new Set(begun.map(({ attempt }) => attempt.number))).toEqual(new Set([1]));
    expect(await inHand()).toBe(0);
  });

  test('one that is given back comes again by its deadline, and is dead then', async () => {
    const { limited, world, clock, quiet, record, deliveries } = await opened();
    await limited(ids(200));
    await clock.advance(2_000);
    const deadlineAt = clock.wall() + 5_000;
    await world.submit({ id: 'late', type: 'limited', envelope: { deadlineAt } });
    await quiet();
    const before = deliveries();
    await clock.advance(5_500);
    expect(await record('late')).toMatchObject({ status: 'dead', reason: 'deadline' });
    expect(deliveries() - before).toBeLessThan(400);
  });

  test('they do not go round and round', async () => {
    const { limited, clock, deliveries } = await opened();
    await limited(ids(500));
    await clock.advance(20_000);
    const before = deliveries();
    await clock.advance(600_000);
    // Each of those that are not held about once a minute.
    expect(deliveries() - before).toBeLessThan(12 * 500);
    expect(deliveries() - before).toBeGreaterThan(4 * 400);
  });

  test('a budget with room for all of them has nobody given back', async () => {
    const { limited, running, end, begun, deliveries } = await opened({ workers: 4 }, false);
    await limited(ids(300));
    while (running.size > 0) await end(running);
    expect([begun.length, deliveries()]).toEqual([300, 300]);
  });

  test('another budget’s, and another lane’s, are held beside them', async () => {
    const { limited, clock, waiting, running, quiet } = await opened();
    await limited(ids(100, 'low'), 'low');
    await clock.advance(1_000);
    await limited(['urgent'], 'high');
    const urgent = waiting.find(({ wanted }) => wanted.lane === 'high');
    urgent?.grant();
    await quiet();
    expect([...running].map(({ id }) => id)).toEqual(['urgent']);
  });
});

describe('a pool that stops', () => {
  test('hands back at once what waits for permits, and none of it counts', async () => {
    const { limited, clock, stop, waiting, world, record } = await opened({ graceMs: 10_000 });
    await limited(ids(40));
    await clock.advance(1_000);
    const from = clock.monotonic();
    await stop();
    expect(clock.monotonic() - from).toBeLessThan(1_000);
    expect(waiting.every(({ wanted }) => wanted.signal.aborted)).toBe(true);
    const next = await poolWorld({ workers: 50, world, node: 'next', permits: notedPermits().permits });
    await clock.advance(120_000);
    expect(next.begun).toHaveLength(40);
    await next.end(next.running);
    for (const id of ids(40)) expect(await record(id)).toMatchObject({ status: 'completed', attempt: 1, failures: 0 });
  });

  test('returns the permits that nobody has used', async () => {
    const { limited, submit, grant, stop, granted, end, running, life, clock } = await opened({ workers: 1 });
    await limited(['a'], 'low');
    await submit(['plain']);
    await grant();
    life.abort();
    await clock.settle();
    expect(granted.map(({ fate }) => fate)).toEqual([['unsent']]);
    await end(running);
    await stop();
  });
});

test('what a puller held that crashed is handed out again, and starts', async () => {
  const { limited, events, clock, waiting, running, quiet } = await opened({
    ports: (ports) => ({ ...ports, queue: { ...ports.queue, now: () => nowOf(ports) } }),
  });
  let broken = false;
  const nowOf = (ports: TaskPorts): number => {
    if (!broken) return ports.queue.now();
    broken = false;
    throw new Error('a bug');
  };
  await limited(['a']);
  await clock.advance(1_000);
  broken = true;
  await limited(['b']);
  await clock.advance(2_000);
  expect(events).toEqual(['crashed', 'restarted']);
  for (const { wanted, grant } of waiting.splice(0)) if (!wanted.signal.aborted) grant();
  await quiet();
  expect(running.size).toBe(2);
});
