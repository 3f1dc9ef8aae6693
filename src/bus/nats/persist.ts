/** What may be asked again without harm, until somebody answers. */
import type { Clock } from '../../kernel/clock.ts';
import { TimeoutError, UnavailableError } from '../../kernel/errors.ts';

/** Long enough for a cluster to elect leaders for what it has just been given. */
const persistMs = 15_000;
const pauseMs = 250;

/** Repeats `work` while it times out or nobody answers; throws its last error once that has gone on for too long. */
export const persist = async <T>(clock: Clock, work: () => Promise<T>): Promise<T> => {
  const untilMs = clock.monotonic() + persistMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const again = error instanceof TimeoutError || error instanceof UnavailableError;
      if (!again || clock.monotonic() >= untilMs) throw error;
      await clock.sleep(pauseMs);
    }
  }
};
