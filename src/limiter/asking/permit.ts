/** One permit's life, from its grant to the last word on it. */
import type { Clock } from '../../kernel/clock.ts';
import { type Amount, type Unit, units } from '../budget.ts';
import type { Word } from '../messages.ts';
import type { PermitId } from '../permit-id.ts';
import type { Permit } from '../permits.ts';

export interface Granted {
  readonly id: PermitId;
  readonly budget: string;
  readonly amount: Amount;
  readonly waitedMs: number;
  /** When the list that its grant answers was sent, + D: by this process's monotonic clock. */
  readonly untilMs: number;
}

export interface Told {
  tell(id: PermitId, word: Word): void;
  /** The last word has been said. */
  over(): void;
}

/**
 * granted → sent → over; granted → over, unsent; or, where the write was not in time, granted → late → dated → over. A
 * late one is dated by when the limiter hears of it, so that is told no sooner than an answer is here.
 */
type State = 'granted' | 'sent' | 'late' | 'dated' | 'over';

export const permit = (granted: Granted, clock: Pick<Clock, 'monotonic'>, { tell, over }: Told): Permit => {
  const { id, budget, amount, waitedMs, untilMs } = granted;
  let state: State = 'granted';
  const inTime = (): boolean => state === 'granted' && clock.monotonic() <= untilMs;

  const date = (): void => {
    if (state !== 'late') return;
    state = 'dated';
    tell(id, { type: 'late', amount });
  };

  const end = (word: Word): void => {
    state = 'over';
    tell(id, word);
    over();
  };

  return {
    id,
    budget,
    waitedMs,
    inTime,
    sent: () => {
      if (state !== 'granted') return;
      state = inTime() ? 'sent' : 'late';
      if (state === 'sent') tell(id, { type: 'sent' });
    },
    heard: date,
    unsent: () => {
      if (state === 'granted') end({ type: 'unsent' });
    },
    settle: (actual) => {
      if (state === 'over') return;
      if (state === 'granted') state = 'late';
      date();
      end(actual && !notAnAmount(actual) ? { type: 'settled', actual } : { type: 'settled' });
    },
  };
};

/** More is no amount of anything. */
const most = 1e12;

/** The unit that is NaN, negative or beyond reason. A provider may report anything, and one such makes a message unreadable. */
export const notAnAmount = (amount: Amount): Unit | undefined =>
  units.find((unit) => !(amount[unit] >= 0 && amount[unit] <= most));
