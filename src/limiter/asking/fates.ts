/**
 * Tells a limiter what has become of its permits: what one tick tells goes in one request, one at a time so that words
 * on one permit stay in order, and again until it is answered.
 */
import type { Bus } from '../../bus/bus.ts';
import { subjects } from '../../bus/subjects.ts';
import type { Clock } from '../../kernel/clock.ts';
import type { Log } from '../../kernel/log.ts';
import type { Random } from '../../kernel/random.ts';
import { decode, encode } from './json.ts';
import { type Fate, settled } from '../messages.ts';

export interface Fates {
  tell(fate: Fate): void;
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

/** Some 350 KB: well within one message. */
const mostAtOnce = 2_000;
const answerMs = 1_000;

/** Half of it at random, so that clients do not all come back at once. */
export const backoffMs = (failures: number, random: Random): number =>
  Math.min(2_000, 100 * 2 ** (failures - 1)) * (0.5 + random.next() / 2);

export const fates = ({ bus, clock, random, log, client, budget, unknown }: FatesOptions): Fates => {
  const life = new AbortController();
  const subject = subjects.limiter(budget, 'settle');
  let pending: readonly Fate[] = [];
  let added: Fate[] = [];
  let telling: Promise<void> | undefined;

  const answered = async (permits: readonly Fate[]): Promise<boolean> => {
    try {
      const { data } = await bus.request(subject, encode({ client, permits }), { timeoutMs: answerMs });
      const answer = decode(settled, data);
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

  const gather = (): readonly Fate[] => {
    pending = [...pending, ...added];
    added = [];
    return pending;
  };

  const tellAll = async (): Promise<void> => {
    for (let failures = 0; !life.signal.aborted && gather().length > 0; ) {
      const batch = pending.slice(0, mostAtOnce);
      if (await answered(batch)) {
        pending = pending.slice(batch.length);
        failures = 0;
        continue;
      }
      failures += 1;
      // That a call went on a while ago is no news any more.
      pending = pending.filter(({ type }) => type !== 'alive');
      await clock.sleep(backoffMs(failures, random), life.signal).catch(() => {}); // Closed: the loop ends.
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
    tell: (fate) => {
      const last = added.at(-1);
      // Said in one breath, so in one word.
      if (fate.type === 'settled' && last?.type === 'sent' && last.permit === fate.permit)
        added[added.length - 1] = { ...fate, sent: true };
      else added.push(fate);
      start();
    },
    flushed: async () => {
      while (telling && !life.signal.aborted) await telling;
    },
    close: () => life.abort(),
  };
};
