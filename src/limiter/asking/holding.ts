/** The permits that a process holds of one budget: granted, and their last word not yet said. */
import type { Clock, Timer } from '../../kernel/clock.ts';
import { keepaliveMs, type Word } from '../messages.ts';
import type { PermitId } from '../permit-id.ts';
import type { Permit } from '../permits.ts';

export interface Holding {
  add(permit: Permit, id: PermitId): void;
  remove(permit: Permit): void;
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
  const held = new Map<Permit, PermitId>();
  let beat: Timer | undefined;

  const alive = (): void => {
    for (const id of held.values()) tell(id, { type: 'alive' });
  };

  return {
    add: (permit, id) => {
      held.set(permit, id);
      if (keepalive) beat ??= clock.every(keepaliveMs, alive);
    },
    remove: (permit) => {
      held.delete(permit);
      if (held.size > 0) return;
      beat?.cancel();
      beat = undefined;
    },
    close: () => {
      for (const permit of [...held.keys()]) permit.unsent();
      beat?.cancel();
    },
  };
};
