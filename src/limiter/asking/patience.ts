/**
 * When the patience of those that wait is over: one timer for all of them, set for the first it may be of. Who leaves
 * before does not move it; it then goes off for nobody, and is set anew.
 */
import type { Clock, Timer } from '../../kernel/clock.ts';

interface Impatient {
  /** By the monotonic clock. */
  readonly untilMs: number;
}

export interface Patience {
  /** Somebody waits from now on. */
  watch(who: Impatient): void;
  /** Nobody waits. */
  stop(): void;
}

/** `over` is called for each of `waiting` whose time is over, and takes it out of there. */
export const patience = <Who extends Impatient>(
  clock: Clock,
  waiting: () => readonly Who[],
  over: (who: Who) => void,
): Patience => {
  let timer: Timer | undefined;
  let setForMs = Number.POSITIVE_INFINITY;

  const stop = (): void => {
    timer?.cancel();
    timer = undefined;
    setForMs = Number.POSITIVE_INFINITY;
  };

  const look = (): void => {
    stop();
    const nowMs = clock.monotonic();
    for (const who of waiting().filter(({ untilMs }) => untilMs <= nowMs)) over(who);
    const nextMs = waiting().reduce((least, { untilMs }) => Math.min(least, untilMs), Number.POSITIVE_INFINITY);
    set(nextMs);
  };

  const set = (untilMs: number): void => {
    if (untilMs >= setForMs) return;
    timer?.cancel();
    setForMs = untilMs;
    timer = clock.timer(untilMs - clock.monotonic(), look);
  };

  return { watch: ({ untilMs }) => set(untilMs), stop };
};
