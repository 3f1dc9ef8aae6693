/** The timers of a broker, which stop with it: what they were set for is looked at anew when it starts again. */
import type { Clock, Timer } from '../../kernel/clock.ts';

export interface Timers {
  at(wallMs: number, fire: () => void): Timer;
  cancelAll(): void;
}

export const timers = (clock: Clock): Timers => {
  const running = new Set<Timer>();

  return {
    at: (wallMs, fire) => {
      let over = false;
      const run = (): void => {
        running.delete(handle);
        if (!over) fire();
        over = true;
      };
      const handle: Timer = {
        cancel: () => {
          over = true;
          running.delete(handle);
          timer?.cancel();
        },
      };
      running.add(handle);
      const ms = wallMs - clock.wall();
      const timer = ms > 0 ? clock.timer(ms, run) : undefined;
      if (!timer) clock.immediate(run);
      return handle;
    },
    cancelAll: () => {
      for (const timer of [...running]) timer.cancel();
    },
  };
};
