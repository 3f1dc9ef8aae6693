/** Whether a limiter held, by the arrivals alone. */
import { fullest, mean, steps } from '../../prove/windows.ts';
import type { Budget } from '../../src/limiter/budget.ts';
import type { Outcome } from './simulation.ts';

export interface Verdict {
  /** Most that any window held, as a part of its limit. */
  readonly most: number;
  /** What the windows held on average, of the most used limit, from the end of the first one on. */
  readonly used: number;
  /** How much longer one tenant waited than another, in ms. */
  readonly spreadMs: number;
  readonly left: number;
}

export const verdict = ({ windows }: Budget, { arrivals, waits, left }: Outcome, forMs: number): Verdict => {
  const shares = windows.map(({ unit, limit, perMs }) => {
    const all = steps(
      arrivals.map(({ atMs, amount }) => ({ atMs, amount: amount[unit] })),
      perMs,
    );
    return { most: fullest(all).sum / limit, used: mean(all, perMs, forMs) / limit };
  });
  return {
    most: Math.max(...shares.map(({ most }) => most)),
    used: Math.max(...shares.map(({ used }) => used)),
    spreadMs: Math.max(...waits.values()) - Math.min(...waits.values()),
    left,
  };
};
