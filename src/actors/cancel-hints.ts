/** Hands a cancellation to the worker that runs the task, so that it stops now and not at its next write. */
import type { Bus } from '../bus/bus.ts';
import { subjects } from '../bus/subjects.ts';
import type { Start } from '../kernel/process.ts';
import { aborted } from '../kernel/signal.ts';
import type { Pool } from './pool.ts';

const prefix = subjects.cancels.slice(0, -1);

export const cancelHints =
  (bus: Bus, pools: readonly Pick<Pool, 'cancel'>[]): Start =>
  (signal) => {
    const subscription = bus.subscribe(subjects.cancels, ({ subject }) => {
      const recordKey = subject.slice(prefix.length);
      for (const pool of pools) pool.cancel(recordKey);
    });
    return Promise.resolve({ exit: aborted(signal).then(() => subscription.unsubscribe()) });
  };
