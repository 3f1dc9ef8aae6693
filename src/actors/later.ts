/**
 * When what no pool takes now comes again: in a second, but so many a second at most, each of the others behind the one
 * before. What comes again is handed out before what is new, so that the tasks of one full pool, if all of them came
 * every second, would leave those of the other pools no turn.
 */
import type { Clock } from '../kernel/clock.ts';
import { OverloadedError } from '../kernel/errors.ts';
import { isUnanswered } from '../kernel/unanswered.ts';

const soonestMs = 1_000;
/** 500 a second. */
const apartMs = 2;

/** How long the next one that is handed back stays away, in ms. */
export type Later = () => number;

export const later = (clock: Pick<Clock, 'monotonic'>): Later => {
  let lastMs = 0;
  return () => {
    const nowMs = clock.monotonic();
    lastMs = Math.max(nowMs + soonestMs, lastMs + apartMs);
    return Math.round(lastMs - nowMs);
  };
};

/** Whether the pool that has not taken it may do so later. */
export const mayBeTakenLater = (error: unknown): boolean => error instanceof OverloadedError || isUnanswered(error);
