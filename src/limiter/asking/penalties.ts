/** Tells the limiter that a provider has refused; nobody waits for that, and it never throws. */
import type { Bus } from '../../bus/bus.ts';
import { encodeJson } from '../../bus/json.ts';
import { subjects } from '../../bus/subjects.ts';
import { patientBackoffMs } from '../../kernel/backoff.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Log } from '../../kernel/log.ts';
import type { Random } from '../../kernel/random.ts';
import { longestMs, type Penalize } from '../messages.ts';

export interface PenaltiesOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** More than 5 s, also where nobody is there to answer: by then another has taken over. */
const tries = 10;
const answerMs = 1_000;

export const penalties = ({ bus, clock, random, log }: PenaltiesOptions) => {
  const life = new AbortController();

  const tell = async (budget: string, untilMs: number, why: string): Promise<void> => {
    for (let failures = 1; failures <= tries; failures += 1) {
      const retryAfterMs = Math.min(longestMs, untilMs - clock.monotonic());
      if (retryAfterMs <= 0 || life.signal.aborted) return;
      const data = encodeJson({ retryAfterMs, why: why.slice(0, 1_000) } satisfies Penalize);
      try {
        await bus.request(subjects.limiter(budget, 'penalize'), data, { timeoutMs: answerMs });
        return;
      } catch (error) {
        log.debug({ err: error, budget }, 'the limiter was not told that the provider has refused');
      }
      await clock.sleep(patientBackoffMs(failures, random), life.signal).catch(() => {}); // Closed: the loop ends.
    }
    log.warn({ budget, why }, 'the limiter cannot be told that the provider has refused');
  };

  return {
    penalize: (budget: string, retryAfterMs: number, why: string): void => {
      // Every rejection is caught within.
      if (retryAfterMs > 0) void tell(budget, clock.monotonic() + retryAfterMs, why);
    },
    close: (): void => life.abort(),
  };
};
