import fc from 'fast-check';
import { expect, test } from 'vitest';
import { timingOf } from '../../src/limiter/budget.ts';
import { windowCount } from '../../src/limiter/granting/window-count.ts';

const window = { unit: 'requests', limit: 100, perMs: 10_000 } as const;
const timing = timingOf({ windows: [window] });
const opened = () => windowCount(window, timing);

test('counts what is reserved until it has a date, and then for a window', () => {
  const count = opened();
  count.reserve(5);
  count.expire(1e9);
  expect(count.total()).toBe(5);
  count.date(5, 2_000);
  count.expire(12_000);
  expect(count.total()).toBe(5);
  expect(count.nextMs()).toBeGreaterThan(12_000);
  count.expire(count.nextMs());
  expect(count.total()).toBe(0);
  expect(count.nextMs()).toBe(Infinity);
});

test('never forgets before a window has passed, nor keeps longer than the clock’s error and one grain', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e7, noNaN: true }), (atMs) => {
      const count = opened();
      count.reserve(1);
      count.date(1, atMs);
      expect(count.nextMs()).toBeGreaterThan(atMs + window.perMs);
      expect(count.nextMs()).toBeLessThanOrEqual(atMs + window.perMs * 1.001 + timing.grainMs + 1e-6);
    }),
  );
});

test('takes a refund at its own date, and not when that has left', () => {
  const count = opened();
  count.reserve(10);
  count.date(10, 0);
  count.amend(-4, 0);
  expect(count.total()).toBe(6);
  count.expire(20_000);
  expect(count.total()).toBe(0);
  count.amend(-4, 0);
  expect(count.total()).toBe(0);
});

test('comes to nothing when all has left, whatever happened before', () => {
  const step = fc.record({ amount: fc.nat(50), atMs: fc.nat(30_000), refund: fc.nat(50), dated: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step), (all) => {
      const count = opened();
      for (const { amount, atMs, refund, dated } of all) {
        count.reserve(amount);
        if (!dated) {
          count.release(amount);
          continue;
        }
        count.date(amount, atMs);
        count.amend(-Math.min(refund, amount), atMs);
      }
      count.expire(1e6);
      expect(count.total()).toBe(0);
    }),
  );
});
