/** When a list is sent: at a tick's end when somebody joins, and then again and again as long as anybody waits. */
import type { Clock, Timer } from '../../kernel/clock.ts';

export interface Renewals {
  /** Now, if anybody waits. */
  now(): void;
  /** At this tick's end, or as soon as the pace allows: even if nobody waits any more, which the limiter has to know. */
  soon(): void;
  /** Nobody waits. */
  stop(): void;
  close(): void;
}

export interface RenewalsOptions {
  readonly clock: Clock;
  readonly everyMs: number;
  /** How many wait. */
  size(): number;
  send(): void;
}

/** Lists are written at this pace at most, or a long one would be written anew for each who joins it. */
const wishesPerMs = 50;

export const renewals = ({ clock, everyMs, size, send }: RenewalsOptions): Renewals => {
  let lastMs = Number.NEGATIVE_INFINITY;
  let next: Timer | undefined;
  let hurried = false;
  let closed = false;

  const stop = (): void => {
    next?.cancel();
    next = undefined;
  };

  const sendNow = (): void => {
    lastMs = clock.monotonic();
    send();
  };

  const now = (): void => {
    stop();
    if (size() === 0) return;
    sendNow();
    next = clock.timer(everyMs, now);
  };

  const hurry = (): void => {
    hurried = false;
    if (closed) return;
    if (size() === 0) sendNow();
    else now();
  };

  return {
    now,
    soon: () => {
      if (hurried || closed) return;
      hurried = true;
      const waitMs = lastMs + size() / wishesPerMs - clock.monotonic();
      if (waitMs < 1) clock.immediate(hurry);
      else clock.timer(waitMs, hurry);
    },
    stop,
    close: () => {
      closed = true;
      stop();
    },
  };
};
