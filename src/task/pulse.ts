/**
 * Whether deliveries were kept alive without a break. A node that stood still, or was cut off, for longer than their ack wait
 * does not know whose they are: others may have been given them, and have done what it is about to do.
 */
import type { Clock } from '../kernel/clock.ts';

export interface Pulse {
  /** The server has heard since then, monotonic ms, that they are kept alive: it answered what was sent after them. */
  beat(fromMs: number): void;
  /** Whether nothing has been heard for longer than the ack wait. */
  isBroken(): boolean;
  /** How many breaks are over. */
  breaks(): number;
}

export const pulse = (clock: Pick<Clock, 'monotonic'>, ackWaitMs: number): Pulse => {
  let beatAtMs = clock.monotonic();
  let breaks = 0;
  const isBroken = (): boolean => clock.monotonic() - beatAtMs > ackWaitMs;
  return {
    beat: (fromMs) => {
      // The answer may be the first since long before: what came in between reached the server together.
      if (isBroken()) breaks += 1;
      beatAtMs = fromMs;
    },
    isBroken,
    breaks: () => breaks,
  };
};
