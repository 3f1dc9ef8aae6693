import { expect, test } from 'vitest';
import { pulse } from '../../src/task/pulse.ts';

test('a break is longer than the ack wait, counts while it goes on, and once', () => {
  let now = 0;
  const alive = pulse({ monotonic: () => now }, 30_000);
  const after = (ms: number): number => {
    now += ms;
    return alive.breaks();
  };
  expect(after(30_000)).toBe(0);
  alive.beat();
  expect([after(30_000), after(1), after(60_000)]).toEqual([0, 1, 1]);
  alive.beat();
  expect([after(0), after(30_000), after(1)]).toEqual([1, 1, 2]);
});
