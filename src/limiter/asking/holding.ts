/** The permits that a process holds of one budget: granted, and their last word not yet said. */
import type { Clock, Timer } from '../../kernel/clock.ts';
import { type Fate, keepaliveMs } from '../messages.ts';
import type { Permit } from '../permits.ts';

export interface Holding {
  add(permit: Permit): void;
  /** Whether it is held, or was of late. */
  knows(id: string): boolean;
  remove(id: string): void;
  /** Returns what has not been used. */
  close(): void;
}

export interface HoldingOptions {
  readonly clock: Clock;
  /** Whether the limiter wants to hear that calls go on. */
  readonly keepalive: boolean;
  tell(fate: Fate): void;
}

/** Longer than any message is on its way. */
const rememberedMs = 60_000;

export const holding = ({ clock, keepalive, tell }: HoldingOptions): Holding => {
  const held = new Map<string, Permit>();
  /** By when they were granted, oldest first. A grant that came twice must not return what is in use. */
  const granted = new Map<string, number>();
  let beat: Timer | undefined;

  const forget = (nowMs: number): void => {
    for (const [id, atMs] of granted) {
      if (atMs + rememberedMs > nowMs) break;
      granted.delete(id);
    }
  };

  const alive = (): void => {
    for (const id of held.keys()) tell({ type: 'alive', permit: id });
  };

  return {
    add: (permit) => {
      const nowMs = clock.monotonic();
      forget(nowMs);
      granted.set(permit.id, nowMs);
      held.set(permit.id, permit);
      if (keepalive) beat ??= clock.every(keepaliveMs, alive);
    },
    knows: (id) => granted.has(id) || held.has(id),
    remove: (id) => {
      held.delete(id);
      if (held.size > 0) return;
      beat?.cancel();
      beat = undefined;
    },
    close: () => {
      for (const permit of [...held.values()]) permit.unsent();
      beat?.cancel();
    },
  };
};
