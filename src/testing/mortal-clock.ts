/** A clock that can die with what lives by it: no timer of its fires any more, and no sleep ends. */
import { type Clock, everyBy, sleepBy, type Timer } from '../kernel/clock.ts';

export interface MortalClock extends Clock {
  readonly dead: boolean;
  die(): void;
}

export const mortalClock = (clock: Clock): MortalClock => {
  const running = new Set<Timer>();
  let dead = false;

  const run = (fire: () => void) => (): void => {
    if (!dead) fire();
  };

  const timer: Clock['timer'] = (ms, fire) => {
    if (dead) return { cancel: () => {} };
    const set = clock.timer(ms, () => {
      running.delete(handle);
      fire();
    });
    const handle: Timer = {
      cancel: () => {
        running.delete(handle);
        set.cancel();
      },
    };
    running.add(handle);
    return handle;
  };

  return {
    monotonic: clock.monotonic,
    wall: clock.wall,
    timer,
    sleep: sleepBy(timer),
    every: everyBy(timer, 1),
    immediate: (fire) => {
      if (!dead) clock.immediate(run(fire));
    },
    get dead() {
      return dead;
    },
    die: () => {
      dead = true;
      for (const each of [...running]) each.cancel();
    },
  };
};
