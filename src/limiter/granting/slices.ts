/**
 * What a limiter has taken of a budget, ahead of granting it. A slice counts whole from before its write is sent until its
 * rest is given up, and each of its permits has a date that has left the windows.
 */
import { type Amount, type Budget, covers, minus, noAmount, type Timing, type Unit } from '../budget.ts';
import type { KeptSlice } from './key.ts';
import { cells, merge } from './merging.ts';
import type { Windows } from './windows.ts';

/** Of each limit. What a takeover wastes is in proportion to it. */
const share = 0.005;
/** Slices that are granted from, or on their way to the key. */
const openMax = 2;

export interface Slice {
  readonly n: number;
  /** When it was reserved: V counts from before its write was sent. */
  readonly takenAtMs: number;
  status: 'writing' | 'open' | 'closed';
  /** What has not been granted. */
  left: Amount;
  /** What may count still. */
  amount: Amount;
  granted: number;
  /** Permits that have no date. */
  undated: number;
  /** Permits whose calls may be going on, by their number, and until when at most. */
  readonly calls: Map<number, Call>;
  /** Calls that may be going on and count here: what they have used changes `amount` when they end. */
  counting: number;
  holdUntilMs: number;
  /** When the last of its dates has left every window. */
  leavesAtMs: number;
}

/** What a permit's call is known to be. */
export interface Call {
  /** The client it was granted to: what another says of it is not believed. */
  readonly holder: string;
  /** That it was granted from. */
  readonly slice: Slice;
  /** That it counts in: the same one, unless it was late. */
  counts: Slice;
  readonly amount: Amount;
  readonly grantedAtMs: number;
  readonly holdUntilMs: number;
  /** When its holder was last heard to be at it; from its grant on. */
  aliveAtMs: number;
  datedAtMs: number | undefined;
}

export interface Slices {
  /** Reserves a slice that `amount` can be granted from; `undefined` if it does not fit, or enough are open. */
  reserve(amount: Amount, nowMs: number): Slice | undefined;
  /** One that has `amount` left and may be granted from. */
  find(amount: Amount, nowMs: number): Slice | undefined;
  /** One of its own for what arrived `nowMs` at the latest, and not when its permit said. */
  late(amount: Amount, nowMs: number): Slice;
  /** Gives up what may not be granted any more, and forgets what counts nowhere. */
  advance(nowMs: number): void;
  /** Makes few of the old ones, as exact as a successor needs them. */
  merge(nowMs: number): void;
  kept(nowMs: number): readonly KeptSlice[];
  /** When the next one is to be closed. */
  nextMs(): number;
  readonly all: ReadonlyMap<number, Slice>;
}

export interface SlicesOptions {
  readonly budget: Budget;
  readonly timing: Timing;
  readonly windows: Windows;
  /** The number of the last one that was ever taken. */
  readonly last: number;
}

export const slicesOf = ({ budget, timing, windows, last }: SlicesOptions): Slices => {
  const all = new Map<number, Slice>();
  const cellOf = cells(budget.windows, timing);
  let count = last;

  /** Those that are not closed, oldest first. */
  let open: readonly Slice[] = [];

  const close = (slice: Slice): void => {
    const rest = windows.counted(slice.left);
    windows.release(rest);
    slice.amount = minus(slice.amount, rest);
    slice.left = noAmount;
    slice.status = 'closed';
    open = open.filter((each) => each !== slice);
  };

  const add = (status: Slice['status'], amount: Amount, left: Amount, nowMs: number): Slice => {
    count += 1;
    windows.reserve(amount);
    const empty = { granted: 0, undated: 0, calls: new Map(), counting: 0, holdUntilMs: 0, leavesAtMs: 0 };
    const slice: Slice = { n: count, takenAtMs: nowMs, status, left, amount, ...empty };
    all.set(count, slice);
    if (status !== 'closed') open = [...open, slice];
    return slice;
  };

  /** `least` of each unit, or the slice's share of its limit, if that is more. Of what no window counts there is no end. */
  const sized = (least: Amount, part: number): Amount => {
    const of = (unit: Unit): number =>
      windows.limits[unit] === Infinity ? Infinity : Math.max(least[unit], Math.floor(windows.limits[unit] * part));
    const calls = budget.concurrent === undefined ? Infinity : Math.max(1, budget.concurrent * part);
    return {
      requests: Math.max(least.requests, Math.min(of('requests'), Math.floor(calls))),
      tokens: of('tokens'),
      inputTokens: of('inputTokens'),
      outputTokens: of('outputTokens'),
    };
  };

  return {
    all,
    reserve: (amount, nowMs) => {
      if (open.length >= openMax) {
        // None of them has enough left for whose turn it is: the oldest has done its part.
        const done = open.find(({ status }) => status === 'open');
        if (!done) return undefined;
        close(done);
      }
      const fitting = [sized(amount, share), sized(amount, 0)].find((slice) => windows.fits(windows.counted(slice)));
      return fitting && add('writing', windows.counted(fitting), fitting, nowMs);
    },
    late: (amount, nowMs) => {
      const slice = add('closed', windows.counted(amount), noAmount, nowMs);
      windows.date(amount, nowMs);
      slice.leavesAtMs = nowMs + windows.longestMs;
      return slice;
    },
    find: (amount, nowMs) =>
      open.find(
        ({ status, left, takenAtMs }) =>
          status === 'open' && nowMs < takenAtMs + timing.sliceMs && covers(left, amount),
      ),
    advance: (nowMs) => {
      for (const [n, slice] of all) {
        if (slice.status === 'open' && nowMs >= slice.takenAtMs + timing.sliceMs) close(slice);
        if (isDone(slice) && slice.leavesAtMs <= nowMs) all.delete(n);
      }
    },
    merge: (nowMs) => merge(all, (slice) => (isDone(slice) ? cellOf(slice.takenAtMs, nowMs) : undefined)),
    kept: (nowMs) =>
      [...all.values()].map(({ n, amount, left, calls, holdUntilMs }) => {
        // Of what is left calls may begin without another word to the key.
        const unbegun = budget.concurrent === undefined ? 0 : left.requests;
        return {
          n,
          amount,
          active: calls.size + unbegun,
          holdMs: Math.max(unbegun > 0 ? longestHoldMs : 0, holdUntilMs - nowMs),
        };
      }),
    nextMs: () => {
      const ends = open.map(({ status, takenAtMs }) => (status === 'open' ? takenAtMs + timing.sliceMs : Infinity));
      return Math.min(Infinity, ...ends);
    },
  };
};

/** Nothing of it is going to change any more. */
const isDone = ({ status, undated, calls, counting }: Slice): boolean =>
  status === 'closed' && undated === 0 && calls.size === 0 && counting === 0;

/** What a call may take that nobody has asked for yet. */
const longestHoldMs = 600_000;
