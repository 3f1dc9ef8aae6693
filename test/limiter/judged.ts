/** What the checker says of a limiter in which something may be wrong on purpose. */
import { vi } from 'vitest';
import type { Budget } from '../../src/limiter/budget.ts';
import type { Plant, SimulationOptions } from './simulation.ts';
import { type Verdict, verdict } from './verdict.ts';

/** Six windows: what is wrong shows in them, and what is right does not look wrong. */
const forMs = 60_000;
const budget: Budget = {
  name: 'tier1',
  windows: [
    { unit: 'requests', limit: 100, perMs: 10_000 },
    { unit: 'tokens', limit: 40_000, perMs: 10_000 },
  ],
};

/** Few requests fit into its tokens, so refunds count. */
export const ofTokens: Budget = {
  name: 'tier1',
  windows: [
    { unit: 'requests', limit: 200, perMs: 10_000 },
    { unit: 'tokens', limit: 10_000, perMs: 10_000 },
  ],
};

/** Of a simulation of its own, in which modules that were replaced take part. */
export const judged = async (plant: Plant, more: Partial<SimulationOptions> = {}): Promise<Verdict> => {
  vi.resetModules();
  const { simulate } = await import('./simulation.ts');
  const tokens = (random: () => number): number => 100 + random() * 300;
  const options = { budget, seed: 5, forMs, faults: true, tokens, plant, ...more };
  return verdict(options.budget, await simulate(options), options.forMs);
};

export const days = [5, 6, 7];

/** Whether one of three days shows that it is wrong: the worst moment does not come every day. */
export const foundOut = async (
  isRight: (of: Verdict) => boolean,
  plant: Plant = {},
  more: Partial<SimulationOptions> = {},
): Promise<boolean> => {
  for (const seed of days) if (!isRight(await judged(plant, { seed, ...more }))) return true;
  return false;
};

export const holds = ({ most, used, left }: Verdict): boolean => most <= 1 && used >= 0.85 && left === 0;

export const holdsLimit = ({ most, left }: Verdict): boolean => most <= 1 && left === 0;
