import { describe, expect, test } from 'vitest';
import type { Budget } from '../../src/limiter/budget.ts';
import { simulate } from './simulation.ts';
import { verdict } from './verdict.ts';

const forMs = 130_000;
const requests: Budget = { name: 'tier1', windows: [{ unit: 'requests', limit: 100, perMs: 10_000 }] };
const both: Budget = {
  name: 'tier1',
  windows: [
    { unit: 'requests', limit: 100, perMs: 10_000 },
    { unit: 'tokens', limit: 40_000, perMs: 10_000 },
  ],
};
const several: Budget = {
  name: 'tier1',
  windows: [
    { unit: 'requests', limit: 30, perMs: 2_000 },
    { unit: 'requests', limit: 100, perMs: 10_000 },
  ],
};
/** Such as take no more than 1 % of the limit, and mostly half of that. */
const tokens = (random: () => number): number => 100 + random() * 300;

describe('in virtual time, without faults, the limiter', () => {
  test.each([
    ['of requests', requests, 0.95],
    ['of requests and tokens', both, 0.95],
    ['of two windows of requests', several, 0.95],
  ])('%s is used as far as it goes, never over, and fairly', async (_what, budget, used) => {
    const found = verdict(budget, await simulate({ budget, seed: 1, forMs, faults: false, tokens }), forMs);
    expect(found.most).toBeLessThanOrEqual(1);
    expect(found.used).toBeGreaterThanOrEqual(used);
    expect(found.spreadMs).toBeLessThanOrEqual(5_000);
    expect(found.left).toBe(0);
  });
});

describe('while its holder is stopped or cut off every 5 to 10 s, and workers are between check and write, the limiter', () => {
  test.each([
    [1, requests],
    [2, both],
    [3, several],
    [4, both],
  ])('is never over, and is used (seed %i)', async (seed, budget) => {
    const found = verdict(budget, await simulate({ budget, seed, forMs, faults: true, tokens }), forMs);
    expect(found.most).toBeLessThanOrEqual(1);
    expect(found.used).toBeGreaterThanOrEqual(0.85);
    expect(found.spreadMs).toBeLessThanOrEqual(5_000);
    expect(found.left).toBe(0);
  });
});
