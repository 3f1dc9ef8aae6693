import { expect, test } from 'vitest';
import { fullest, steps } from '../../prove/windows.ts';
import type { Budget, Unit } from '../../src/limiter/budget.ts';
import { type Outcome, simulate } from './simulation.ts';

const budget: Budget = {
  name: 'tier1',
  windows: [
    { unit: 'requests', limit: 100, perMs: 10_000 },
    { unit: 'tokens', limit: 10_000, perMs: 10_000 },
  ],
};

const most = ({ arrivals }: Outcome, unit: Unit, perMs: number): number =>
  fullest(
    steps(
      arrivals.map(({ atMs, amount }) => ({ atMs, amount: amount[unit] })),
      perMs,
    ),
  ).sum;

test('full', async () => {
  for (const faults of [false, true]) {
    const outcome = await simulate({ budget, seed: Number(process.env.SEED ?? 1), forMs: 130_000, faults });
    const within = outcome.arrivals.filter(({ atMs }) => atMs > 10_000 && atMs < 130_000).length;
    console.log(
      faults,
      outcome.arrivals.length,
      within / 1_200,
      most(outcome, 'requests', 10_000),
      outcome.waits,
      outcome.left,
      outcome.epoch,
    );
  }
  expect(1).toBe(1);
}, 100_000);
