import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { slidingWindow } from '../../src/dev/model-window.ts';
import { type Event, fullest, mean, overs, shares, type Step, steps } from '../../prove/windows.ts';

const perMs = 100;

/** Few instants, so that many lie exactly a window apart. */
const events = fc.array(
  fc.record({ atMs: fc.nat({ max: 60 }).map((n) => n * 10), amount: fc.integer({ min: 1, max: 5 }) }),
  { maxLength: 60 },
);

/** What (endMs - perMs, endMs] holds, counted one by one. */
const held = (all: readonly Event[], endMs: number): number =>
  all.filter(({ atMs }) => atMs > endMs - perMs && atMs <= endMs).reduce((sum, { amount }) => sum + amount, 0);

const at = (all: readonly Step[], ms: number): number => all.findLast(({ atMs }) => atMs <= ms)?.sum ?? 0;

describe('the scan over every window', () => {
  it('knows what the window that ends at any instant holds', () => {
    fc.assert(
      fc.property(events, fc.nat({ max: 800 }), (all, endMs) => {
        expect(at(steps(all, perMs), endMs)).toBe(held(all, endMs));
      }),
    );
  });

  it('finds the fullest of them', () => {
    fc.assert(
      fc.property(events, (all) => {
        expect(fullest(steps(all, perMs)).sum).toBe(Math.max(0, ...all.map(({ atMs }) => held(all, atMs))));
      }),
    );
  });

  it('is empty a window after the last arrival', () => {
    fc.assert(fc.property(events, (all) => (steps(all, perMs).at(-1)?.sum ?? 0) === 0));
  });

  it('agrees with the window that the provider enforces', () => {
    fc.assert(
      fc.property(events, fc.integer({ min: 5, max: 12 }), (all, limit) => {
        const window = slidingWindow({ tokens: { limit, perMs } });
        const sorted = all.toSorted((a, b) => a.atMs - b.atMs);
        const admitted = sorted.filter(({ atMs, amount }) => window.admit(atMs, amount).admitted);
        expect(overs(steps(admitted, perMs), limit)).toBe(0);
        const firstRefused = sorted.findIndex((event) => !admitted.includes(event));
        if (firstRefused >= 0) expect(overs(steps(sorted.slice(0, firstRefused + 1), perMs), limit)).toBeGreaterThan(0);
      }),
    );
  });

  it('takes the mean over time, not over arrivals', () => {
    const of = shares([{ steps: steps([{ atMs: 0, amount: 8 }], perMs), limit: 10 }]);
    expect(mean(of, 0, 200)).toBeCloseTo(0.4);
    expect(mean(of, 50, 150)).toBeCloseTo(0.4);
    expect(mean(of, 100, 200)).toBe(0);
  });

  it('takes the fullest of several windows at each instant', () => {
    const requests = { steps: steps([{ atMs: 0, amount: 1 }], 100), limit: 10 };
    const tokens = { steps: steps([{ atMs: 50, amount: 60 }], 100), limit: 100 };
    const of = shares([requests, tokens]);
    expect([0, 49, 50, 100, 149, 150].map((ms) => at(of, ms))).toEqual([0.1, 0.1, 0.6, 0.6, 0.6, 0]);
  });
});
