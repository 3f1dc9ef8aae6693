/** What is asked for: a budget, and five times as much as it allows. */
import type { Random } from '../src/kernel/random.ts';
import type { Budget } from '../src/limiter/budget.ts';

export const budgetName = 'proved';
export const tenants = ['ash', 'birch', 'cedar', 'dogwood'] as const;

/** 100 requests and 40,000 tokens, and no fewer of either in a second than that is in ten. */
export const budgetOf = (windowMs: number): Budget => {
  const requests = Math.max(100, windowMs / 100);
  return {
    name: budgetName,
    windows: [
      { unit: 'requests', limit: requests, perMs: windowMs },
      { unit: 'tokens', limit: 400 * requests, perMs: windowMs },
    ],
  };
};

export interface Pace {
  /** How long the model takes. */
  readonly latencyMs: number;
  /** How long a worker pauses after each call. */
  readonly pauseMs: number;
}

const demand = 5;

/** So that all workers together, were they never kept waiting, would send five times what is allowed. */
export const paceOf = (windowMs: number, workers: number): Pace => {
  const cycleMs = (workers * windowMs) / (demand * Math.max(100, windowMs / 100));
  const latencyMs = Math.min(300, cycleMs / 4);
  return { latencyMs, pauseMs: cycleMs - latencyMs };
};

/**
 * How many tokens the next request reserves. For three windows the requests are small, and their number is what the
 * budget runs out of; for the next three they are a little more than a hundredth of the tokens, and those are.
 */
export const tokensAt = (sinceMs: number, windowMs: number, random: Random): number => {
  const small = Math.floor(sinceMs / (3 * windowMs)) % 2 === 0;
  return small ? 100 + Math.floor(random.next() * 301) : 404 + Math.floor(random.next() * 27);
};
