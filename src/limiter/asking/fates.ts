/**
 * Tells a limiter what has become of its permits: what one tick tells goes in one request, one at a time so that words
 * on one permit stay in order, and again until it is answered.
 */
import type { Bus } from '../../bus/bus.ts';
import { decodeAs, encodeJson } from '../../bus/json.ts';
import { subjects } from '../../bus/subjects.ts';
import { patientBackoffMs } from '../../kernel/backoff.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Log } from '../../kernel/log.ts';
import type { Random } from '../../kernel/random.ts';
import { type Settle, settled, type Word } from '../messages.ts';
import type { PermitId } from '../permit-id.ts';
import { fateOf, type Run, said, some } from './words.ts';

export interface Fates {
  tell(permit: PermitId, word: Word): void;
  /** Resolves when everything told has been answered, or will not be any more. */
  flushed(): Promise<void>;
  /** Gives up on what has not been answered. */
  close(): void;
}

export interface FatesOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly client: string;
  readonly budget: string;
  /** Told how many permits the limiter did not know. */
  unknown(count: number): void;
}

const answerMs = 1_000;

export const fates = ({ bus, clock, random, log, client, budget, unknown }: FatesOptions): Fates => {
  const life = new AbortController();
  const subject = subjects.limiter(budget, 'settle');
  let pending: readonly Run[] = [];
  let added: Run[] = [];
  let telling: Promise<void> | undefined;

  const answered = async (permits: Settle['permits']): Promise<boolean> => {
    try {
      const { data } = await bus.request(subject, encodeJson({ client, permits } satisfies Settle), {
        timeoutMs: answerMs,
      });
      const answer = decodeAs(settled, data);
      if (!answer) return false;
      if (answer.unknown.length > 0) {
        unknown(answer.unknown.length);
        log.debug({ budget, permits: answer.unknown }, 'permits that the limiter does not know');
      }
      return true;
    } catch (error) {
      log.debug({ err: error, budget, permits: permits.length }, 'the limiter has not answered; it is told again');
      return false;
    }
  };

  const gather = (): readonly Run[] => {
    pending = [...pending, ...added];
    added = [];
    return pending;
  };

  const tellAll = async (): Promise<void> => {
    for (let failures = 0; !life.signal.aborted && gather().length > 0; ) {
      const batch = some(pending);
      if (await answered(batch.map(fateOf))) {
        pending = pending.slice(batch.length);
        failures = 0;
        continue;
      }
      failures += 1;
      // That a call went on a while ago is no news any more.
      pending = pending.filter(({ word }) => word.type !== 'alive');
      await clock.sleep(patientBackoffMs(failures, random), life.signal).catch(() => {}); // Closed: the loop ends.
    }
  };

  const nextTick = (): Promise<void> => new Promise((resolve) => clock.immediate(resolve));

  const start = (): void => {
    telling ??= nextTick()
      .then(tellAll)
      .finally(() => {
        telling = undefined;
        if (added.length > 0 && !life.signal.aborted) start();
      });
  };

  return {
    tell: (permit, word) => {
      said(added, permit, word);
      start();
    },
    flushed: async () => {
      while (telling && !life.signal.aborted) await telling;
    },
    close: () => life.abort(),
  };
};
