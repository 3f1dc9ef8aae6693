/** The permits that a process holds of one budget: granted, and their last word not yet said. */
import type { Clock, Timer } from '../../kernel/clock.ts';
import { keepaliveMs, type Word } from '../messages.ts';
import type { PermitId } from '../permit-id.ts';
import type { Permit } from '../permits.ts';

interface Held {
  readonly permit: Permit;
  readonly id: PermitId;
  /** Among those that are held. */
  place: number;
}

export interface Holding {
  /** Holds what is made until `over` is called. */
  add(id: PermitId, make: (over: () => void) => Permit): Permit;
  /** Returns what has not been used. */
  close(): void;
}

export interface HoldingOptions {
  readonly clock: Clock;
  /** Whether the limiter wants to hear that calls go on. */
  readonly keepalive: boolean;
  tell(id: PermitId, word: Word): void;
}

export const holding = ({ clock, keepalive, tell }: HoldingOptions): Holding => {
  /** An array, as a Map that much comes into and leaves keeps in its outgrown tables what the young generation could drop. */
  const held: Held[] = [];
  let beat: Timer | undefined;

  const alive = (): void => {
    for (const { id } of held) tell(id, { type: 'alive' });
  };

  const remove = ({ place }: Held): void => {
    const last = held.pop();
    if (last && last.place !== place) {
      last.place = place;
      held[place] = last;
    }
    if (held.length > 0) return;
    beat?.cancel();
    beat = undefined;
  };

  return {
    add: (id, make) => {
      const permit = make(() => remove(one));
      const one: Held = { permit, id, place: held.length };
      held.push(one);
      if (keepalive) beat ??= clock.every(keepaliveMs, alive);
      return permit;
    },
    close: () => {
      for (const { permit } of [...held]) permit.unsent();
      beat?.cancel();
    },
  };
};
