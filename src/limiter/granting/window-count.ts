/**
 * How much one window counts now. What is reserved counts at once and without end; when it is known when it may have
 * arrived, it gets a date, and is counted until the window has passed that. Dates are kept to the grain γ, rounded up.
 */
import { heldMs, type Timing, type Window } from '../budget.ts';

export interface WindowCount {
  readonly window: Window;
  /** How long after its date an amount is counted. */
  readonly lastingMs: number;
  /** What is counted. */
  readonly total: () => number;
  reserve(amount: number): void;
  /** Takes back what was reserved and has no date. */
  release(amount: number): void;
  /** Gives what was reserved its date. */
  date(amount: number, atMs: number): void;
  /** Changes what was dated `atMs`, if that is still counted. */
  amend(difference: number, atMs: number): void;
  /** Forgets what has left the window. */
  expire(nowMs: number): void;
  /** When the total is next going to fall by itself; Infinity if nothing has a date. */
  nextMs(): number;
}

export const windowCount = (window: Window, timing: Timing): WindowCount => {
  const { grainMs } = timing;
  const lastingMs = heldMs(window, timing) - grainMs; // The rounding of the date is the grain.
  const byDate = new Map<number, number>();
  let total = 0;
  /** Nothing leaves before. */
  let quietUntilMs = Number.POSITIVE_INFINITY;

  const dateOf = (atMs: number): number => Math.ceil(atMs / grainMs);
  const leavesAt = (date: number): number => date * grainMs + lastingMs;

  const refresh = (): void => {
    quietUntilMs = Number.POSITIVE_INFINITY;
    for (const date of byDate.keys()) quietUntilMs = Math.min(quietUntilMs, leavesAt(date));
  };

  return {
    window,
    lastingMs,
    total: () => total,
    reserve: (amount) => {
      total += amount;
    },
    release: (amount) => {
      total -= amount;
    },
    date: (amount, atMs) => {
      const date = dateOf(atMs);
      byDate.set(date, (byDate.get(date) ?? 0) + amount);
      quietUntilMs = Math.min(quietUntilMs, leavesAt(date));
    },
    amend: (difference, atMs) => {
      const date = dateOf(atMs);
      const dated = byDate.get(date);
      if (dated === undefined) return;
      byDate.set(date, dated + difference);
      total += difference;
    },
    expire: (nowMs) => {
      if (nowMs < quietUntilMs) return;
      for (const [date, amount] of byDate) {
        if (leavesAt(date) > nowMs) continue;
        byDate.delete(date);
        total -= amount;
      }
      refresh();
    },
    nextMs: () => quietUntilMs,
  };
};
