/**
 * One limiter's account of a budget: what it has taken, the permits it has granted from that, and what has become of them.
 * A permit has no date, and so is counted whatever the clock says, until its holder has told when its request left. Why
 * that is never over the limit is proved in docs/limiter.md.
 */
import { type Amount, type Budget, type Timing, timingOf, type Unit, units } from '../budget.ts';
import { type Asked, callsOf, type Told } from './calls.ts';
import { inherit, type InheritedSlice } from './inherited.ts';
import type { KeptSlice } from './key.ts';
import type { Word } from '../messages.ts';
import { type PermitId, permitText } from '../permit-id.ts';
import { type Slice, slicesOf } from './slices.ts';
import { type Windows, windowsOf } from './windows.ts';

/** How often it is looked for what was never told. */
const sweepMs = 250;

export interface Ledger {
  readonly timing: Timing;
  readonly windows: Windows;
  /** Which unit is never allowed so much, if one is. */
  excess(amount: Amount): Unit | undefined;
  /** The largest part that `amount` is of any window's limit; where none counts it, of the places. */
  costOf(amount: Amount): number;
  /** Forgets what has left the windows, and gives up what may not be granted any more. */
  advance(nowMs: number): void;
  /** Calls that may be going on. */
  readonly active: () => number;
  /** A permit from an open slice; `undefined` where none has so much left. */
  grant(asked: Asked, nowMs: number): PermitId | undefined;
  /** Reserves a slice that `amount` fits into. It may be granted from once it is `opened`. */
  reserve(amount: Amount, nowMs: number): Slice | undefined;
  /** The slice is in the budget's key. */
  opened(slice: Slice): void;
  /** `by`: the client that tells; the limiter itself. A permit that was granted to another is unknown. */
  settle(id: PermitId, fate: Word, nowMs: number, by?: string): Told;
  /** What a successor has to count. */
  kept(nowMs: number): readonly KeptSlice[];
  /** When anything is next going to change by itself. */
  nextMs(): number;
  /** Permits of which nobody has told anything. */
  readonly unconfirmed: () => number;
  readonly held: (nowMs: number) => Held;
}

/** Places of calls that perhaps nobody is at any more: each is free when its call's own timeout is over. */
export interface Held {
  /** Of clients that have not been heard of for their lease. */
  readonly silent: number;
  /** Granted by an earlier limiter. */
  readonly inherited: number;
  /** When the first of all these is free, in ms; undefined without any. */
  readonly freeInMs?: number;
}

export interface LedgerOptions {
  readonly budget: Budget;
  readonly epoch: number;
  readonly inherited: readonly InheritedSlice[];
  readonly nowMs: number;
}

export const ledger = (options: LedgerOptions): Ledger => {
  const { budget, epoch } = options;
  const timing = timingOf(budget);
  const windows = windowsOf(budget, timing);
  const earlier = inherit(options.inherited, windows, timing, options.nowMs);
  const last = Math.max(0, ...options.inherited.map(({ n }) => n));
  const slices = slicesOf({ budget, timing, windows, last });
  const calls = callsOf({ timing, windows, late: slices.late });
  /** Given up without a word: should one come after all, it counts from then. */
  const lost = new Set<string>();
  let sweptAtMs = options.nowMs;

  const settleUnknown = (id: PermitId, fate: Word, nowMs: number): Told => {
    const foreign = id.epoch !== epoch;
    if (fate.type === 'late' && (foreign || lost.delete(permitText(id)))) {
      slices.late(fate.amount, nowMs);
      return 'late';
    }
    if (!foreign || !earlier.has(id)) return 'unknown';
    earlier.settle(id, fate.type, nowMs);
    return 'known';
  };

  return {
    timing,
    windows,
    excess: (amount) => units.find((unit) => amount[unit] > windows.limits[unit]),
    costOf: (amount) =>
      Math.max(0, ...units.map((unit) => amount[unit] / windows.limits[unit])) || 1 / (budget.concurrent ?? Infinity),
    advance: (nowMs) => {
      windows.expire(nowMs);
      slices.advance(nowMs);
      if (nowMs - sweptAtMs < sweepMs) return;
      sweptAtMs = nowMs;
      for (const slice of slices.all.values())
        for (const number of calls.sweep(slice, nowMs)) lost.add(permitText({ epoch, slice: slice.n, number }));
      slices.merge(nowMs);
      earlier.advance(nowMs);
    },
    active: () => calls.active() + earlier.active(),
    grant: (asked, nowMs) => {
      const slice = slices.find(asked.amount, nowMs);
      return slice && { epoch, slice: slice.n, number: calls.begin(slice, asked, nowMs) };
    },
    reserve: slices.reserve,
    opened: (slice) => {
      if (slice.status === 'writing') slice.status = 'open';
    },
    settle: (id, fate, nowMs, by) => {
      const call = id.epoch === epoch ? slices.all.get(id.slice)?.calls.get(id.number) : undefined;
      if (!call) return settleUnknown(id, fate, nowMs);
      if (by !== undefined && by !== call.holder) return 'unknown';
      return calls.tell(id.number, call, fate, nowMs);
    },
    kept: (nowMs) => [...earlier.kept(nowMs), ...slices.kept(nowMs)],
    nextMs: () => Math.min(windows.nextMs(), slices.nextMs()),
    held: (nowMs) => {
      const silent = calls.silent(slices.all.values(), nowMs);
      const free = Math.min(earlier.freeAtMs(), ...silent.map(({ holdUntilMs }) => holdUntilMs)) - nowMs;
      const held = { silent: silent.length, inherited: earlier.active() };
      return Number.isFinite(free) ? { ...held, freeInMs: Math.max(0, Math.round(free)) } : held;
    },
    unconfirmed: () => [...slices.all.values()].reduce((sum, { undated }) => sum + undated, 0),
  };
};
