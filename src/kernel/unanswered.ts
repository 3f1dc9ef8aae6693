/** What came to no answer, and is asked again: only for what may be done twice. */
import { patientBackoffMs } from './backoff.ts';
import type { Clock } from './clock.ts';
import { TimeoutError, UnavailableError } from './errors.ts';
import type { Random } from './random.ts';

export interface Asking {
  readonly clock: Clock;
  readonly random: Random;
  /** Aborting gives up, with its reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long to go on asking; for ever. */
  readonly giveUpAfterMs?: number | undefined;
}

/** Whether nobody was there to ask, or nobody said what came of it. */
export const isUnanswered = (error: unknown): error is TimeoutError | UnavailableError =>
  error instanceof TimeoutError || error instanceof UnavailableError;

/** Asks again and again, with patience, until somebody answers; throws any other error at once, and the last one at the end. */
export const untilAnswered = async <Answer>(
  { clock, random, signal, giveUpAfterMs = Number.POSITIVE_INFINITY }: Asking,
  ask: () => Promise<Answer>,
): Promise<Answer> => {
  const endMs = clock.monotonic() + giveUpAfterMs;
  for (let failures = 1; ; failures += 1) {
    signal?.throwIfAborted();
    try {
      return await ask();
    } catch (error) {
      if (!isUnanswered(error)) throw error;
      const pauseMs = patientBackoffMs(failures, random);
      if (clock.monotonic() + pauseMs > endMs) throw error;
      await clock.sleep(pauseMs, signal);
    }
  }
};

/** Of a line in the log that tells of it: an outage is no mistake of ours, and ends. */
export const levelOf = (error: unknown): 'warn' | 'error' => (isUnanswered(error) ? 'warn' : 'error');
