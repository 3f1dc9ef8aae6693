/** The open pulls of a consumer. They take turns, a message each. */
import type { Clock, Timer } from '../../kernel/clock.ts';
import type { Stored } from '../queue.ts';
import type { Timers } from './timers.ts';

export interface HandOut {
  readonly message: Stored;
  /** Counts the consumer's deliveries. */
  readonly number: number;
  readonly deliveries: number;
  readonly pending: number;
}

export interface Pull {
  left: number;
  deliver(handOut: HandOut): void;
  ended(reason: 'empty' | 'lost'): void;
}

export interface Pulls {
  readonly size: number;
  add(pull: Pull, waitMs: number): void;
  /** Whose turn it is, for one message. */
  next(): Pull | undefined;
  /** Without a word to who asked. */
  remove(pull: Pull): boolean;
  clear(): void;
}

export const pulls = (clock: Clock, timers: Timers): Pulls => {
  const waiting = new Map<Pull, Timer | undefined>();

  const remove = (pull: Pull): boolean => {
    waiting.get(pull)?.cancel();
    return waiting.delete(pull);
  };

  return {
    get size() {
      return waiting.size;
    },
    add: (pull, waitMs) => {
      const end = (): void => {
        if (remove(pull)) pull.ended('empty');
      };
      waiting.set(pull, waitMs > 0 ? timers.at(clock.wall() + waitMs, end) : undefined);
    },
    next: () => {
      const [pull] = waiting.keys();
      if (!pull) return undefined;
      const timer = waiting.get(pull);
      pull.left -= 1;
      if (pull.left > 0) {
        waiting.delete(pull);
        waiting.set(pull, timer);
      } else remove(pull);
      return pull;
    },
    remove,
    clear: () => {
      for (const pull of [...waiting.keys()]) remove(pull);
    },
  };
};
