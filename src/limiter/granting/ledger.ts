/**
 * One limiter's account of a budget: what it has taken, the permits it has granted from that, and what has become of them.
 * A permit has no date, and so is counted whatever the clock says, until its holder has told when its request left. Why
 * that is never over the limit is proved in docs/limiter.md.
 */
import { type Amount, type Budget, minus, plus, type Timing, timingOf, type Unit, units } from '../budget.ts';
import { inherit, type InheritedSlice } from './inherited.ts';
import type { KeptSlice } from './key.ts';
import { clientLeaseMs, type Word } from '../messages.ts';
import { type PermitId, permitText } from '../permit-id.ts';
import { type Call, type Slice, slicesOf } from './slices.ts';
import type { Waiting } from './waiting.ts';
import { type Windows, windowsOf } from './windows.ts';

/** H: how long a permit is counted of which nobody has told anything. By then whoever had it is gone. */
export const unconfirmedMs = 300_000;
/** How often it is looked for what was never told. */
const sweepMs = 250;

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
  /** A permit from an open slice; `undefined` where none has so much left. */
  grant(asked: Pick<Waiting, 'client' | 'amount' | 'holdMs'>, nowMs: number): PermitId | undefined;
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
  /** Calls of all slices. */
  let active = 0;
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

  const forget = (number: number, { slice }: Call): void => {
    if (slice.calls.delete(number)) active -= 1;
  };

  /** As if it had never been granted. */
  const drop = (number: number, call: Call): void => {
    if (call.datedAtMs === undefined) undate(call);
    forget(number, call);
  };

  /** Whoever ends without having said when it was sent was late. */
  const end = (number: number, call: Call, actual: Amount | undefined, nowMs: number): Told => {
    const told = call.datedAtMs === undefined ? 'late' : 'known';
    isLate(call, nowMs);
    if (actual) {
      windows.replace(call.amount, actual, call.datedAtMs ?? nowMs, nowMs);
      call.counts.amount = plus(call.counts.amount, minus(windows.counted(actual), call.amount));
      call.counts.leavesAtMs = Math.max(call.counts.leavesAtMs, nowMs + windows.longestMs);
    }
    forget(number, call);
    return told;
  };

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

  const sweepSlice = ({ n, calls }: Slice, nowMs: number): void => {
    for (const [number, call] of calls) {
      const { datedAtMs, grantedAtMs, holdUntilMs, aliveAtMs } = call;
      if (datedAtMs === undefined && nowMs - grantedAtMs > unconfirmedMs) {
        drop(number, call);
        lost.add(permitText({ epoch, slice: n, number }));
      } else if (datedAtMs !== undefined && nowMs > Math.max(holdUntilMs, aliveAtMs + clientLeaseMs))
        forget(number, call);
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
      for (const slice of slices.all.values()) sweepSlice(slice, nowMs);
      earlier.advance(nowMs);
    },
    active: () => active + earlier.active(),
    grant: ({ client: { name: holder }, amount, holdMs }, nowMs) => {
      const slice = slices.find(amount, nowMs);
      if (!slice) return undefined;
      slice.left = minus(slice.left, amount);
      slice.granted += 1;
      slice.undated += 1;
      active += 1;
      const holdUntilMs = nowMs + timing.permitMs + holdMs;
      slice.holdUntilMs = Math.max(slice.holdUntilMs, holdUntilMs);
      slice.calls.set(slice.granted, {
        holder,
        slice,
        counts: slice,
        amount: windows.counted(amount),
        grantedAtMs: nowMs,
        holdUntilMs,
        aliveAtMs: nowMs,
        datedAtMs: undefined,
      });
      return { epoch, slice: slice.n, number: slice.granted };
    },
    reserve: slices.reserve,
    opened: (slice) => {
      if (slice.status === 'writing') slice.status = 'open';
    },
    settle: (id, fate, nowMs, by) => {
      const call = id.epoch === epoch ? slices.all.get(id.slice)?.calls.get(id.number) : undefined;
      if (!call) return settleUnknown(id, fate, nowMs);
      if (by !== undefined && by !== call.holder) return 'unknown';
      switch (fate.type) {
        case 'sent':
          isSent(call);
          return 'known';
        case 'late':
          isLate(call, nowMs);
          return 'late';
        case 'unsent':
          drop(id.number, call);
          return 'known';
        case 'settled':
          if (fate.sent) isSent(call);
          return end(id.number, call, fate.actual, nowMs);
        case 'alive':
          call.aliveAtMs = nowMs;
          return 'known';
      }
    },
    kept: (nowMs) => [...earlier.kept(nowMs), ...slices.kept(nowMs)],
    nextMs: () => Math.min(windows.nextMs(), slices.nextMs()),
    held: (nowMs) => {
      const silent = [...slices.all.values()]
        .flatMap(({ calls }) => [...calls.values()])
        .filter(({ aliveAtMs }) => nowMs > aliveAtMs + clientLeaseMs);
      const free = Math.min(earlier.freeAtMs(), ...silent.map(({ holdUntilMs }) => holdUntilMs)) - nowMs;
      const held = { silent: silent.length, inherited: earlier.active() };
      return Number.isFinite(free) ? { ...held, freeInMs: Math.max(0, Math.round(free)) } : held;
    },
    unconfirmed: () => [...slices.all.values()].reduce((sum, { undated }) => sum + undated, 0),
  };
};
