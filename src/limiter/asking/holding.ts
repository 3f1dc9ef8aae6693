/** The permits that a process holds of one budget: granted, and their last word not yet said. */
import type { Clock, Timer } from '../../kernel/clock.ts';
import { numbered } from '../../kernel/numbered.ts';
import { keepaliveMs, type Word } from '../messages.ts';
import type { PermitId } from '../permit-id.ts';
import type { Permit } from '../permits.ts';

interface Held {
  readonly permit: Permit;
  readonly id: PermitId;
}

export interface Holding {
  /** Holds what is made until `over` is called. */
  add(id: PermitId, make: (over: () => void) => Permit): Permit;
  /** Returns what has not been used; what has begun counts as sent. */
  close(): void;
}

export interface HoldingOptions {
  readonly clock: Clock;
  /** Whether the limiter wants to hear that calls go on. */
  readonly keepalive: boolean;
  tell(id: PermitId, word: Word): void;
}

export const holding = ({ clock, keepalive, tell }: HoldingOptions): Holding => {
  const held = numbered<Held>();
  let beat: Timer | undefined;

  const alive = (): void => {
    for (const { id } of held.values()) tell(id, { type: 'alive' });
  };

  const remove = (number: number): void => {
    held.remove(number);
    if (held.size() > 0) return;
    beat?.cancel();
    beat = undefined;
  };

  return {
    add: (id, make) => {
      const permit = make(() => remove(number));
      const number = held.add({ permit, id });
      if (keepalive) beat ??= clock.every(keepaliveMs, alive);
      return permit;
    },
    close: () => {
      for (const { permit } of held.values()) permit.unsent();
      beat?.cancel();
    },
  };
};
