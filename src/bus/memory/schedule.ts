/** The schedules of one stream: each is a stored message that is published to its target when it is due. */
import { RefusedError } from '../../kernel/errors.ts';
import type { ScheduleSpec, Stored } from '../queue.ts';
import { nextCron } from './cron.ts';
import type { Timers } from './timers.ts';

export interface Schedule {
  readonly when: ScheduleSpec;
  readonly target: string;
}

/** Epoch ms. Throws `RefusedError` for a pattern that the server refuses. */
export const nextFiring = ({ when }: Schedule, now: number): number => {
  if ('at' in when) return when.at;
  if ('cron' in when) return nextCron(when.cron, when.timezone ?? 'UTC', now);
  if (!(when.every >= 1_000)) throw new RefusedError(`message schedule "every ${when.every}" is under 1,000 ms`);
  return now + when.every;
};

export interface Schedules {
  set(message: Stored, schedule: Schedule): void;
  cancel(seq: number): void;
  /** Sets all timers anew: what fell due while the broker was away is due now. */
  resume(): void;
}

export const schedules = (
  timers: Timers,
  now: () => number,
  fire: (message: Stored, target: string, next: number | undefined) => void,
): Schedules => {
  const waiting = new Map<number, { readonly message: Stored; readonly schedule: Schedule; cancel: () => void }>();

  const arm = (message: Stored, schedule: Schedule): void => {
    const timer = timers.at(nextFiring(schedule, now()), () => {
      const once = 'at' in schedule.when;
      if (once) waiting.delete(message.seq);
      else arm(message, schedule);
      fire(message, schedule.target, once ? undefined : nextFiring(schedule, now()));
    });
    waiting.set(message.seq, { message, schedule, cancel: timer.cancel });
  };

  return {
    set: arm,
    cancel: (seq) => {
      waiting.get(seq)?.cancel();
      waiting.delete(seq);
    },
    resume: () => {
      for (const { message, schedule, cancel } of [...waiting.values()]) {
        cancel();
        arm(message, schedule);
      }
    },
  };
};
