/** One permit's life, from its grant to the last word on it. */
import type { Clock, Timer } from '../../kernel/clock.ts';
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
 * late one is dated by when the limiter hears of it, so that is told no sooner than an answer is here. Between granted and
 * sent it may have begun: then its request may have left unseen, so it is sent at the end of its time, or given back.
 */
type State = 'granted' | 'begun' | 'sent' | 'late' | 'dated' | 'over';

type PermitClock = Pick<Clock, 'monotonic' | 'timer'>;

export const permit = (granted: Granted, clock: PermitClock, { tell, over }: Told): Permit => {
  const { id, budget, amount, waitedMs, untilMs } = granted;
  let state: State = 'granted';
  let running: Timer | undefined;
  const isUnused = (): boolean => state === 'granted' || state === 'begun';
  const inTime = (): boolean => isUnused() && clock.monotonic() <= untilMs;

  const leave = (wasInTime: boolean): void => {
    running?.cancel();
    state = wasInTime ? 'sent' : 'late';
    if (wasInTime) tell(id, { type: 'sent' });
  };

  /** It began in time, and what is not seen counts from there. */
  const leaveUnseen = (): void => {
    if (state === 'begun') leave(true);
  };

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
    whenOver: (then) => clock.timer(Math.max(0, untilMs - clock.monotonic()), then),
    begun: () => {
      if (state !== 'granted') return;
      if (!inTime()) return leave(false);
      state = 'begun';
      running = clock.timer(untilMs - clock.monotonic(), leaveUnseen);
    },
    sent: () => {
      if (isUnused()) leave(inTime());
    },
    heard: date,
    unsent: () => {
      if (state === 'granted') end({ type: 'unsent' });
      else leaveUnseen();
    },
    settle: (actual) => {
      if (state === 'over') return;
      leaveUnseen();
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
