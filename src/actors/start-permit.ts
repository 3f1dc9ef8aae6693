/** A limiter's permit, as the worker sees it that starts the task. */
import type { Clock } from '../kernel/clock.ts';
import type { Permit } from '../limiter/permits.ts';
import type { StartPermit } from '../task/start-permit.ts';

/**
 * How long a start may take once a worker has it and its permit: the shortest window there is. What starts later than its
 * permit allows, but within this, the limiter counts from when it is told (docs/limiter.md, the second assumption).
 */
const startMs = 1_000;

/** `permit`: none for a task that is to be settled, and must not start. */
export const startPermit = (clock: Pick<Clock, 'monotonic'>, permit: Permit | undefined): StartPermit => {
  const fromMs = clock.monotonic();
  let state: 'unused' | 'begun' | 'ended' = 'unused';
  return {
    begin: () => {
      if (!permit || (!permit.inTime() && clock.monotonic() - fromMs > startMs)) return false;
      state = 'begun';
      permit.sent();
      permit.heard(); // It has arrived where it is used: one that was late is counted from now on.
      return true;
    },
    end: () => {
      if (state === 'begun') permit?.settle();
      else if (state === 'unused') permit?.unsent();
      state = 'ended';
    },
  };
};
