/** Slices of earlier limiters: nobody here knows their permits, so each counts whole from the latest its requests can have arrived. */
import type { Amount, Timing } from '../budget.ts';
import type { KeptSlice } from './key.ts';
import { cells, merge } from './merging.ts';
import { clientLeaseMs, type Word } from '../messages.ts';
import { type PermitId, permitText } from '../permit-id.ts';
import type { Windows } from './windows.ts';

export interface InheritedSlice extends KeptSlice {
  /** When this limiter first saw it, or took over; its own clock. */
  readonly seenAtMs: number;
}

export interface Inherited {
  /** Calls that may be going on. */
  readonly active: () => number;
  /** When the first of them is given up; Infinity without any. */
  freeAtMs(): number;
  /** Whether the permit is of one of these slices. */
  has(id: PermitId): boolean;
  /** What is known of the permit's call; what it used stays as it was reserved. */
  settle(id: PermitId, type: Word['type'], nowMs: number): void;
  advance(nowMs: number): void;
  kept(nowMs: number): readonly KeptSlice[];
}

interface Kept {
  readonly n: number;
  readonly seenAtMs: number;
  amount: Amount;
  leavesAtMs: number;
  /** Permits whose calls have ended. */
  readonly ended: Set<string>;
  active: number;
  activeUntilMs: number;
}

export const inherit = (
  slices: readonly InheritedSlice[],
  windows: Windows,
  timing: Timing,
  nowMs: number,
): Inherited => {
  const { sliceMs, permitMs, travelMs } = timing;
  const cellOf = cells(
    windows.counts.map(({ window }) => window),
    timing,
  );
  const all = new Map<number, Kept>();
  for (const slice of slices) {
    // Who was deposed may have granted from it until V was over.
    const arrivedAtMs = slice.seenAtMs + sliceMs + permitMs + travelMs;
    windows.reserve(slice.amount);
    windows.date(slice.amount, arrivedAtMs);
    all.set(slice.n, {
      n: slice.n,
      seenAtMs: slice.seenAtMs,
      amount: slice.amount,
      leavesAtMs: arrivedAtMs + windows.longestMs,
      ended: new Set(),
      active: slice.active,
      activeUntilMs: nowMs + slice.holdMs,
    });
  }

  /**
   * Nothing of it is going to change any more, and this limiter has seen it come, not just before it took over. Of others it
   * knows no more than that they were there then: whoever stands by may know better.
   */
  const isDone = ({ seenAtMs, active, activeUntilMs }: Kept, now: number): boolean =>
    active === 0 && now > activeUntilMs && seenAtMs < nowMs - sliceMs;

  return {
    active: () => [...all.values()].reduce((sum, { active }) => sum + active, 0),
    freeAtMs: () =>
      [...all.values()].reduce(
        (least, { active, activeUntilMs }) => (active > 0 ? Math.min(least, activeUntilMs) : least),
        Number.POSITIVE_INFINITY,
      ),
    has: ({ slice }) => all.has(slice),
    settle: (id, type, now) => {
      const permit = permitText(id);
      const kept = all.get(id.slice);
      if (!kept) return;
      if (type === 'alive') kept.activeUntilMs = Math.max(kept.activeUntilMs, now + clientLeaseMs);
      if ((type !== 'settled' && type !== 'unsent') || kept.active === 0 || kept.ended.has(permit)) return;
      kept.ended.add(permit);
      kept.active -= 1;
    },
    advance: (now) => {
      for (const [n, kept] of all) {
        if (now > kept.activeUntilMs) kept.active = 0;
        if (kept.leavesAtMs <= now && kept.active === 0) all.delete(n);
      }
      merge(all, (kept) => (isDone(kept, now) ? cellOf(kept.seenAtMs, now) : undefined));
    },
    kept: (now) =>
      [...all.values()].map(({ n, amount, active, activeUntilMs }) => ({
        n,
        amount,
        active,
        holdMs: Math.max(0, activeUntilMs - now),
      })),
  };
};
