/**
 * The server's clock as far as it can be known: the latest time it has said, carried forward on the own
 * monotonic clock. What arrives was said a little before, so each statement is a lower bound, and the best
 * is the one that puts the server furthest ahead. (So a server whose clock is set back is believed only
 * by those who connect after it.)
 */
import type { Clock } from '../../kernel/clock.ts';

export interface ServerTime {
  /** Takes note of a time that the server said, in epoch ms. */
  observe(serverMs: number): void;
  /** The own wall clock's, as long as the server has said nothing. */
  now(): number;
}

export const serverTime = (clock: Pick<Clock, 'monotonic' | 'wall'>): ServerTime => {
  let ahead: number | undefined;
  return {
    observe: (serverMs) => {
      const offset = serverMs - clock.monotonic();
      if (ahead === undefined || offset > ahead) ahead = offset;
    },
    now: () => (ahead === undefined ? clock.wall() : Math.floor(clock.monotonic() + ahead)),
  };
};
