/**
 * One limiter's account of a budget: what it has taken, the permits it has granted from that, and what has become of them.
 * A permit has no date, and so is counted whatever the clock says, until its holder has told when its request left. Why
 * that is never over the limit is proved in docs/limiter.md.
 */
import { type Amount, type Budget, minus, plus, type Timing, timingOf, type Unit, units } from '../budget.ts';
import { inherit, type InheritedSlice } from './inherited.ts';
import type { KeptSlice } from './key.ts';
import { clientLeaseMs, type Fate } from '../messages.ts';
import { type Slice, slicesOf } from './slices.ts';
import { type Windows, windowsOf } from './windows.ts';

/** H: how long a permit is counted of which nobody has told anything. By then whoever had it is gone. */
export const unconfirmedMs = 300_000;
/** How often it is looked for what was never told. */
const sweepMs = 250;

interface Call {
  /** That it was granted from. */
  readonly slice: Slice;
  /** That it counts in: the same one, unless it was late. */
  counts: Slice;
  readonly amount: Amount;
  readonly grantedAtMs: number;
  readonly holdUntilMs: number;
  aliveAtMs: number;
  datedAtMs: number | undefined;
}

/**
 * What a fate was to the ledger. `late`: the request escaped its permit's time, and counts from now; which a successor has
 * to hear of, for by the slice's own date it is gone too soon.
 */
export type Told = 'known' | 'unknown' | 'late';

export interface Ledger {
  readonly timing: Timing;
  readonly windows: Windows;
  /** Which unit is never allowed so much, if one is. */
  excess(amount: Amount): Unit | undefined;
  /** The largest part that `amount` is of any limit. */
  costOf(amount: Amount): number;
  /** Forgets what has left the windows, and gives up what may not be granted any more. */
  advance(nowMs: number): void;
  /** Calls that may be going on. */
  readonly active: () => number;
  /** The id of a permit from an open slice; `undefined` where none has so much left. */
  grant(amount: Amount, holdMs: number, nowMs: number): string | undefined;
  /** Reserves a slice that `amount` fits into. It may be granted from once it is `opened`. */
  reserve(amount: Amount, nowMs: number): Slice | undefined;
  /** The slice is in the budget's key. */
  opened(slice: Slice): void;
  settle(fate: Fate, nowMs: number): Told;
  /** What a successor has to count. */
  kept(nowMs: number): readonly KeptSlice[];
  /** When anything is next going to change by itself. */
  nextMs(): number;
  /** Permits of which nobody has told anything. */
  readonly unconfirmed: () => number;
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
  const calls = new Map<string, Call>();
  /** Given up without a word: should one come after all, it counts from then. */
  const lost = new Set<string>();
  let sweptAtMs = options.nowMs;

  /** It counts no more as one without a date. */
  const undate = ({ slice, amount }: Call): void => {
    slice.undated -= 1;
    windows.release(amount);
    slice.amount = minus(slice.amount, amount);
  };

  const date = (call: Call, atMs: number): void => {
    if (call.datedAtMs !== undefined) return;
    call.datedAtMs = atMs;
    call.slice.undated -= 1;
    call.slice.leavesAtMs = Math.max(call.slice.leavesAtMs, atMs + windows.longestMs);
    windows.date(call.amount, atMs);
  };

  /** Its request has arrived by then, if it was written in time. */
  const isSent = (call: Call): void => date(call, call.grantedAtMs + timing.permitMs + timing.travelMs);

  const isLate = (call: Call, nowMs: number): void => {
    if (call.datedAtMs !== undefined) return;
    call.datedAtMs = nowMs;
    undate(call);
    call.counts = slices.late(call.amount, nowMs);
  };

  const forget = (permit: string, { slice }: Call): void => {
    if (calls.delete(permit)) slice.active -= 1;
  };

  /** As if it had never been granted. */
  const drop = (permit: string, call: Call): void => {
    if (call.datedAtMs === undefined) undate(call);
    forget(permit, call);
  };

  /** Whoever ends without having said when it was sent was late. */
  const end = (permit: string, call: Call, actual: Amount | undefined, nowMs: number): Told => {
    const told = call.datedAtMs === undefined ? 'late' : 'known';
    isLate(call, nowMs);
    if (actual) {
      windows.replace(call.amount, actual, call.datedAtMs ?? nowMs, nowMs);
      call.counts.amount = plus(call.counts.amount, minus(windows.counted(actual), call.amount));
      call.counts.leavesAtMs = Math.max(call.counts.leavesAtMs, nowMs + windows.longestMs);
    }
    forget(permit, call);
    return told;
  };

  const settleUnknown = (fate: Fate, nowMs: number): Told => {
    const foreign = Number(fate.permit.split('.')[0]) !== epoch;
    if (fate.type === 'late' && (foreign || lost.delete(fate.permit))) {
      slices.late(fate.amount, nowMs);
      return 'late';
    }
    if (!foreign || !earlier.has(fate.permit)) return 'unknown';
    earlier.settle(fate, nowMs);
    return 'known';
  };

  const sweep = (nowMs: number): void => {
    for (const [permit, call] of calls) {
      const { datedAtMs, grantedAtMs, holdUntilMs, aliveAtMs } = call;
      if (datedAtMs === undefined && nowMs - grantedAtMs > unconfirmedMs) {
        drop(permit, call);
        lost.add(permit);
      } else if (datedAtMs !== undefined && nowMs > Math.max(holdUntilMs, aliveAtMs + clientLeaseMs))
        forget(permit, call);
    }
  };

  return {
    timing,
    windows,
    excess: (amount) => units.find((unit) => amount[unit] > windows.limits[unit]),
    costOf: (amount) => Math.max(0, ...units.map((unit) => amount[unit] / windows.limits[unit])),
    advance: (nowMs) => {
      windows.expire(nowMs);
      slices.advance(nowMs);
      if (nowMs - sweptAtMs < sweepMs) return;
      sweptAtMs = nowMs;
      sweep(nowMs);
      earlier.advance(nowMs);
    },
    active: () => calls.size + earlier.active(),
    grant: (amount, holdMs, nowMs) => {
      const slice = slices.find(amount, nowMs);
      if (!slice) return undefined;
      slice.left = minus(slice.left, amount);
      slice.granted += 1;
      slice.undated += 1;
      slice.active += 1;
      const holdUntilMs = nowMs + timing.permitMs + holdMs;
      slice.holdUntilMs = Math.max(slice.holdUntilMs, holdUntilMs);
      const permit = `${epoch}.${slice.n}.${slice.granted}`;
      const times = { grantedAtMs: nowMs, holdUntilMs, aliveAtMs: nowMs, datedAtMs: undefined };
      calls.set(permit, { slice, counts: slice, amount: windows.counted(amount), ...times });
      return permit;
    },
    reserve: slices.reserve,
    opened: (slice) => {
      if (slice.status === 'writing') slice.status = 'open';
    },
    settle: (fate, nowMs) => {
      const call = calls.get(fate.permit);
      if (!call) return settleUnknown(fate, nowMs);
      switch (fate.type) {
        case 'sent':
          isSent(call);
          return 'known';
        case 'late':
          isLate(call, nowMs);
          return 'late';
        case 'unsent':
          drop(fate.permit, call);
          return 'known';
        case 'settled':
          if (fate.sent) isSent(call);
          return end(fate.permit, call, fate.actual, nowMs);
        case 'alive':
          call.aliveAtMs = nowMs;
          return 'known';
      }
    },
    kept: (nowMs) => [...earlier.kept(nowMs), ...slices.kept(nowMs)],
    nextMs: () => Math.min(windows.nextMs(), slices.nextMs()),
    unconfirmed: () => [...slices.all.values()].reduce((sum, { undated }) => sum + undated, 0),
  };
};
