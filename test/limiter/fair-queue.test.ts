import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Lane } from '../../src/bus/subjects.ts';
import { fairQueue, type Queued } from '../../src/limiter/granting/fair-queue.ts';

interface Item extends Queued {
  readonly name: string;
}

const item = (lane: Lane, tenant: string, cost: number, sinceMs: number): Item => ({
  lane,
  tenant,
  cost,
  sinceMs,
  name: `${lane} ${tenant} ${sinceMs}`,
});

const served = (items: readonly Item[], count: number): readonly Item[] => {
  const queue = fairQueue<Item>();
  for (const each of items) queue.add(each);
  return Array.from({ length: count }, () => {
    const head = queue.head();
    queue.take();
    return head;
  }).filter((each) => each !== undefined);
};

const many = (count: number, lane: Lane, tenant: string, cost = 1): readonly Item[] =>
  Array.from({ length: count }, (_, index) => item(lane, tenant, cost, index));

const countOf = (items: readonly Item[], which: (item: Item) => boolean): number => items.filter(which).length;

test('lanes are served in the proportion of their weights', () => {
  const first = served([...many(200, 'low', 'a'), ...many(200, 'normal', 'a'), ...many(200, 'high', 'a')], 130);
  expect(countOf(first, ({ lane }) => lane === 'high')).toBe(80);
  expect(countOf(first, ({ lane }) => lane === 'normal')).toBe(40);
  expect(countOf(first, ({ lane }) => lane === 'low')).toBe(10);
});

test('tenants are served as much as each other, whoever has more or larger requests', () => {
  const first = served(
    [...many(500, 'normal', 'hot'), ...many(50, 'normal', 'small', 1), ...many(50, 'normal', 'large', 5)],
    70,
  );
  const cost = (tenant: string): number =>
    first.filter((each) => each.tenant === tenant).reduce((sum, each) => sum + each.cost, 0);
  expect(Math.abs(cost('hot') - cost('large'))).toBeLessThanOrEqual(10);
  expect(Math.abs(cost('hot') - cost('small'))).toBeLessThanOrEqual(10);
});

test('of one tenant the oldest is first, in whatever order they came', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(1_000), { minLength: 1 }), (times) => {
      const all = served(
        times.map((sinceMs) => item('normal', 'a', 1, sinceMs)),
        times.length,
      );
      expect(all.map(({ sinceMs }) => sinceMs)).toEqual(times.toSorted((a, b) => a - b));
    }),
  );
});

test('who is at the head stays there until it is taken or gone, whoever else comes', () => {
  const queue = fairQueue<Item>();
  const large = item('low', 'a', 1_000, 5);
  queue.add(large);
  expect(queue.head()).toBe(large);
  queue.add(item('high', 'b', 1, 0));
  queue.add(item('low', 'a', 1, 0));
  expect(queue.head()).toBe(large);
  queue.remove(large);
  expect(queue.head()).toMatchObject({ lane: 'high' });
  expect(queue.size()).toBe(2);
});

test('everybody is served at last, once', () => {
  const any = fc.record({
    lane: fc.constantFrom<Lane>('high', 'normal', 'low'),
    tenant: fc.constantFrom('a', 'b', 'c'),
    cost: fc.double({ min: 0, max: 1, noNaN: true }),
    sinceMs: fc.nat(100),
  });
  fc.assert(
    fc.property(fc.array(any), (all) => {
      const items = all.map((each, index) => ({ ...each, name: String(index) }));
      expect(new Set(served(items, items.length + 1).map(({ name }) => name)).size).toBe(items.length);
    }),
  );
});

test('a lane that was empty for long has nothing to make up for', () => {
  const queue = fairQueue<Item>();
  for (const each of many(100, 'low', 'a')) queue.add(each);
  for (let index = 0; index < 50; index += 1) {
    queue.head();
    queue.take();
  }
  for (const each of many(100, 'normal', 'a')) queue.add(each);
  const lanes = Array.from({ length: 10 }, () => {
    const lane = queue.head()?.lane;
    queue.take();
    return lane;
  });
  expect(lanes.filter((lane) => lane === 'normal')).toHaveLength(8);
});
