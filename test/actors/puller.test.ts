import { describe, expect, test } from 'vitest';
import type { Consumer } from '../../src/bus/queue.ts';
import { ids, poolWorld } from './pool-world.ts';

describe('a pool', () => {
  test('begins as many tasks as it has workers, and holds no more than two beyond', async () => {
    const { submit, running, inHand, end } = await poolWorld({ workers: 3 });
    await submit(ids(10));
    expect(running.size).toBe(3);
    expect(await inHand()).toBeLessThanOrEqual(5);
    await end(running);
    expect(running.size).toBe(3);
  });

  test('begins what arrives at once, while it has an idle worker', async () => {
    const { world, clock, running } = await poolWorld({ workers: 3 });
    for (const n of [1, 2, 3]) {
      await world.submit({ id: `t${n}`, lane: n === 2 ? 'low' : 'normal' });
      await clock.settle();
      expect(running.size).toBe(n);
    }
    expect(clock.monotonic()).toBe(0);
  });

  test('does all there is, in whatever lane it waits', async () => {
    const { submit, running, begun, end, inHand } = await poolWorld({ workers: 4 });
    for (const lane of ['low', 'normal', 'high'] as const) await submit(ids(20, lane), lane);
    while (running.size > 0) await end(running);
    expect(new Set(begun.map(({ id }) => id)).size).toBe(60);
    expect([begun.length, await inHand()]).toEqual([60, 0]);
  });

  test('gives lanes that all have a backlog slots in the proportion of their weights', async () => {
    const { submit, running, begun, end } = await poolWorld({ workers: 5, weight: { high: 5, normal: 3, low: 2 } });
    for (const lane of ['low', 'normal', 'high'] as const) await submit(ids(150, lane), lane);
    const from = begun.length;
    while (begun.length < 200) await end([...running].slice(0, 1));
    const share = (lane: string): number =>
      begun.slice(from).filter((each) => each.lane === lane).length / (begun.length - from);
    expect(Math.abs(share('high') - 0.5)).toBeLessThan(0.03);
    expect(Math.abs(share('normal') - 0.3)).toBeLessThan(0.03);
    expect(Math.abs(share('low') - 0.2)).toBeLessThan(0.03);
  });

  test('counts no task as waiting here that has been started since', async () => {
    const { submit, running, begun, end } = await poolWorld({ workers: 1 });
    for (let n = 0; n < 10; n += 1) {
      await submit([`h${n}`], 'high');
      await submit([`n${n}`], 'normal');
      await submit([`l${n}`], 'low');
      while (running.size > 0) await end(running);
      expect(begun).toHaveLength(3 * (n + 1));
    }
  });

  test('hears of a lane’s first task though another lane’s backlog takes every slot', async () => {
    const { submit, running, begun, end } = await poolWorld({ workers: 1 });
    await submit(ids(30), 'high');
    await submit(['late'], 'low');
    for (let n = 0; n < 6; n += 1) await end(running);
    expect(begun.map(({ id }) => id)).toContain('late');
  });
});

describe('a reserve', () => {
  test('is kept from a flood and from a trickle, and its lane’s tasks begin at once', async () => {
    const { submit, of, inHand, clock } = await poolWorld({ workers: 4, reserve: { high: 2 } });
    for (const id of ids(6)) {
      await submit([id]);
      await clock.advance(60_000);
    }
    await submit(ids(20, 'flood'));
    expect([of('normal').length, await inHand()]).toEqual([2, 2]);
    await submit(['h1', 'h2'], 'high');
    expect(of('high').map(({ id }) => id)).toEqual(['h1', 'h2']);
  });

  test('is kept from what was asked for while there was room: it waits here, and is started next', async () => {
    const { submit, of, inHand, end } = await poolWorld({ workers: 2, reserve: { high: 1 } });
    await submit(['l'], 'low');
    await submit(['n'], 'normal');
    expect([of('low').length, of('normal').length, await inHand()]).toEqual([1, 0, 2]);
    await submit(['h'], 'high');
    expect(of('high')).toHaveLength(1);
    await end(of('high'));
    expect(of('normal')).toHaveLength(0);
    await end(of('low'));
    expect(of('normal')).toHaveLength(1);
  });

  test('is not all that its lane may have', async () => {
    const { submit, of } = await poolWorld({ workers: 4, reserve: { high: 1 } });
    await submit(ids(9), 'high');
    expect(of('high')).toHaveLength(4);
  });

  test('that takes more than a node has leaves it a slot for everybody', async () => {
    const { submit, of } = await poolWorld({ workers: 2, reserve: { high: 1, normal: 1 } });
    await submit(['a'], 'low');
    expect(of('low')).toHaveLength(1);
  });
});

describe('a long task', () => {
  test('is kept alive, and no other worker gets it', async () => {
    const { submit, clock, begun, running, end, world } = await poolWorld({ workers: 1 });
    const other = await poolWorld({ workers: 1, world, node: 'other' });
    await submit(['long']);
    for (let minute = 0; minute < 10; minute += 1) await clock.advance(60_000);
    expect(begun.length + other.begun.length).toBe(1);
    await end([...running, ...other.running]);
    expect(await world.record('long')).toMatchObject({ status: 'completed', attempt: 1 });
  });

  test('that was fetched and waits for a worker is kept alive too', async () => {
    const { submit, clock, running, end, begun } = await poolWorld({ workers: 1 });
    await submit(['a'], 'high');
    await submit(['b'], 'normal');
    for (let minute = 0; minute < 5; minute += 1) await clock.advance(60_000);
    await end(running);
    expect(begun.map(({ id, attempt }) => [id, attempt.number])).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
  });
});

describe('when the server is away', () => {
  test('pulling goes on by itself afterwards, and no worker is forgotten', async () => {
    const { submit, world, clock, running, end, begun } = await poolWorld({ workers: 3 });
    await submit(['a']);
    world.broker.restart();
    await clock.advance(1_000);
    await submit(ids(10, 'after'));
    expect(running.size).toBe(3);
    while (running.size > 0) await end(running);
    expect(new Set(begun.map(({ id }) => id)).size).toBe(11);
  });

  test('pulls that are lost are not counted twice: never more than the slots and two beyond are here', async () => {
    const { submit, world, clock, running, inHand, end } = await poolWorld({ workers: 4 });
    await submit(ids(40));
    for (let round = 0; round < 8; round += 1) {
      world.broker.restart();
      await clock.advance(500);
      expect(await inHand()).toBeLessThanOrEqual(6);
      await end([...running].slice(0, 2));
      expect(running.size).toBe(4);
    }
  });
});

test('a puller that crashes starts anew, and knows what its workers have in hand', async () => {
  let failing = false;
  /** A pull that throws, once. */
  const fragile = (consumer: Consumer): Consumer => ({
    ...consumer,
    pull: (request) => {
      if (failing) {
        failing = false;
        throw new Error('the connection is no more');
      }
      consumer.pull(request);
    },
  });
  const { submit, running, events, inHand, clock, end, begun } = await poolWorld({
    workers: 3,
    ports: (ports) => ({
      ...ports,
      queue: { ...ports.queue, consume: (...args) => fragile(ports.queue.consume(...args)) },
    }),
  });
  await submit(['a']);
  failing = true;
  await submit(ids(9, 'b'));
  await clock.advance(1_000);
  expect(events).toEqual(['crashed', 'restarted']);
  expect(running.size).toBe(3);
  expect(await inHand()).toBeLessThanOrEqual(5);
  while (running.size > 0) await end(running);
  expect(new Set(begun.map(({ id }) => id)).size).toBe(10);
});
