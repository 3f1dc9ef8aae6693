/** What a consumer has handed out and nobody has settled: each until its ack wait is over, then it is to be handed out again. */
import type { Clock } from '../../kernel/clock.ts';
import type { Timers } from './timers.ts';

export interface Outstanding {
  readonly size: number;
  /** How many have been handed out more than once. */
  readonly repeated: number;
  /** The lowest sequence. */
  readonly first: number | undefined;
  has(seq: number): boolean;
  /** Handed out, again or for the first time, as the consumer's delivery of that number. Answers how often by now. */
  hold(seq: number, number: number): number;
  /** The number of its first delivery. */
  numberOf(seq: number): number | undefined;
  /** Back after so long, and not before. */
  postpone(seq: number, ms: number): void;
  /** To be handed out again, now. */
  repeat(seq: number): void;
  settle(seq: number): void;
  settleThrough(seq: number): void;
  /** The next to hand out again. */
  take(): number | undefined;
  suspend(): void;
  resume(): void;
}

interface Held {
  readonly number: number;
  deliveries: number;
  dueAt: number;
}

export interface OutstandingOptions {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly ackWaitMs: () => number;
  /** Something may be handed out again. */
  readonly expired: () => void;
}

export const outstanding = ({ clock, timers, ackWaitMs, expired }: OutstandingOptions): Outstanding => {
  // In the order of the first delivery, which is the order of the stream.
  const held = new Map<number, Held>();
  const again = new Set<number>();
  let timer: { readonly at: number; readonly cancel: () => void } | undefined;

  const arm = (at: number): void => {
    if (timer && timer.at <= at) return;
    timer?.cancel();
    timer = { at, cancel: timers.at(at, expire).cancel };
  };

  const expire = (): void => {
    timer = undefined;
    let next = Infinity;
    for (const [seq, { dueAt }] of held) {
      if (again.has(seq)) continue;
      if (dueAt <= clock.wall()) again.add(seq);
      else next = Math.min(next, dueAt);
    }
    if (next < Infinity) arm(next);
    expired();
  };

  const settle = (seq: number): void => {
    held.delete(seq);
    again.delete(seq);
  };

  return {
    get size() {
      return held.size;
    },
    get repeated() {
      return [...held.values()].filter(({ deliveries }) => deliveries > 1).length;
    },
    get first() {
      return held.keys().next().value;
    },
    has: (seq) => held.has(seq),
    hold: (seq, number) => {
      const before = held.get(seq);
      const deliveries = (before?.deliveries ?? 0) + 1;
      const dueAt = clock.wall() + ackWaitMs();
      held.set(seq, { number: before?.number ?? number, deliveries, dueAt });
      arm(dueAt);
      return deliveries;
    },
    numberOf: (seq) => held.get(seq)?.number,
    postpone: (seq, ms) => {
      const each = held.get(seq);
      if (!each) return;
      each.dueAt = clock.wall() + ms;
      arm(each.dueAt);
    },
    repeat: (seq) => {
      if (held.has(seq)) again.add(seq);
    },
    settle,
    settleThrough: (seq) => {
      for (const each of [...held.keys()]) if (each <= seq) settle(each);
    },
    take: () => {
      const [seq] = again;
      if (seq !== undefined) again.delete(seq);
      return seq;
    },
    suspend: () => {
      timer = undefined;
      again.clear();
    },
    resume: expire,
  };
};
