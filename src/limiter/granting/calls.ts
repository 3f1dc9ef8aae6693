/** The calls that permits were granted for: what each counts as, by what its holder tells, or does not. */
import { type Amount, minus, plus, type Timing } from '../budget.ts';
import { clientLeaseMs, type Word } from '../messages.ts';
import type { Call, Slice } from './slices.ts';
import type { Waiting } from './waiting.ts';
import type { Windows } from './windows.ts';

/** H: how long nobody may have told anything of a permit. Whoever had it is gone then, and has sent it before, or never. */
export const unconfirmedMs = 300_000;

/**
 * What a fate was to the ledger. `late`: the request escaped its permit's time, and counts from now; which a successor has
 * to hear of, for by the slice's own date it is gone too soon.
 */
export type Told = 'known' | 'unknown' | 'late';

export type Asked = Pick<Waiting, 'client' | 'amount' | 'holdMs'>;

export interface Calls {
  /** How many may be going on. */
  readonly active: () => number;
  /** Grants it from the slice; answers the permit's number there. */
  begin(slice: Slice, asked: Asked, nowMs: number): number;
  tell(number: number, call: Call, word: Word, nowMs: number): Told;
  /** Frees the places of those whose holder is gone. Answers the numbers of those that nobody has ever dated. */
  sweep(slice: Slice, nowMs: number): readonly number[];
  /** Those whose holder has not been heard of for its lease. */
  silent(slices: Iterable<Slice>, nowMs: number): readonly Call[];
}

export interface CallsOptions {
  readonly timing: Timing;
  readonly windows: Windows;
  /** Takes a slice of its own for what arrived `nowMs` at the latest. */
  readonly late: (amount: Amount, nowMs: number) => Slice;
}

export const callsOf = ({ timing, windows, late }: CallsOptions): Calls => {
  let active = 0;

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

  /** By when a request has arrived that was written D after `fromMs` at the latest. */
  const arrivedBy = (fromMs: number): number => fromMs + timing.permitMs + timing.travelMs;

  const isSent = (call: Call): void => date(call, arrivedBy(call.grantedAtMs));

  const isLate = (call: Call, nowMs: number): void => {
    if (call.datedAtMs !== undefined) return;
    call.datedAtMs = nowMs;
    undate(call);
    call.counts.counting -= 1;
    call.counts = late(call.amount, nowMs);
    call.counts.counting += 1;
  };

  const forget = (number: number, { slice, counts }: Call): void => {
    slice.calls.delete(number);
    counts.counting -= 1;
    active -= 1;
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

  return {
    active: () => active,
    begin: (slice, { client: { name: holder }, amount, holdMs }, nowMs) => {
      slice.left = minus(slice.left, amount);
      slice.granted += 1;
      slice.undated += 1;
      slice.counting += 1;
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
      return slice.granted;
    },
    tell: (number, call, word, nowMs) => {
      switch (word.type) {
        case 'sent':
          isSent(call);
          return 'known';
        case 'late':
          isLate(call, nowMs);
          return 'late';
        case 'unsent':
          drop(number, call);
          return 'known';
        case 'settled':
          if (word.sent) isSent(call);
          return end(number, call, word.actual, nowMs);
        case 'alive':
          call.aliveAtMs = nowMs;
          return 'known';
      }
    },
    sweep: ({ calls }, nowMs) => {
      const untold: number[] = [];
      for (const [number, call] of calls) {
        const { datedAtMs, holdUntilMs, aliveAtMs } = call;
        if (datedAtMs === undefined && nowMs - aliveAtMs > unconfirmedMs) {
          // It may have arrived at any time since its grant: it leaves the windows as if that were only now.
          date(call, arrivedBy(nowMs));
          forget(number, call);
          untold.push(number);
        } else if (datedAtMs !== undefined && nowMs > Math.max(holdUntilMs, aliveAtMs + clientLeaseMs))
          forget(number, call);
      }
      return untold;
    },
    silent: (slices, nowMs) =>
      [...slices]
        .flatMap(({ calls }) => [...calls.values()])
        .filter(({ aliveAtMs }) => nowMs > aliveAtMs + clientLeaseMs),
  };
};
