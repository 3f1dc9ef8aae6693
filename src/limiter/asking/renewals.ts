/** When a list is sent: at a tick's end when somebody joins, and then again and again as long as anybody waits. */
import type { Clock, Timer } from '../../kernel/clock.ts';

export interface Renewals {
  /** The whole list now, if anybody waits. */
  now(): void;
  /** At this tick's end: those who have joined; or the whole list, if none was sent yet or nobody waits any more. */
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
  send(what: 'all' | 'joined'): void;
}

export const renewals = ({ clock, everyMs, size, send }: RenewalsOptions): Renewals => {
  let next: Timer | undefined;
  let hurried = false;
  let closed = false;

  const stop = (): void => {
    next?.cancel();
    next = undefined;
  };

  const now = (): void => {
    stop();
    if (size() === 0) return;
    send('all');
    next = clock.timer(everyMs, now);
  };

  const hurry = (): void => {
    hurried = false;
    if (closed) return;
    if (size() === 0) send('all');
    else if (next) send('joined');
    else now();
  };

  return {
    now,
    soon: () => {
      if (hurried || closed) return;
      hurried = true;
      clock.immediate(hurry);
    },
    stop,
    close: () => {
      closed = true;
      stop();
    },
  };
};
