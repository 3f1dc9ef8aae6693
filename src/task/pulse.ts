/**
 * Whether deliveries were kept alive without a break. A node that stood still, or was cut off, for longer than their ack wait
 * does not know whose they are: others may have been given them, and have done what it is about to do.
 */
import type { Clock } from '../kernel/clock.ts';

export interface Pulse {
  /** They have just been kept alive. */
  beat(): void;
  /** How many breaks there have been; one that goes on counts. */
  breaks(): number;
}

export const pulse = (clock: Pick<Clock, 'monotonic'>, ackWaitMs: number): Pulse => {
  let beatAtMs = clock.monotonic();
  let ended = 0;
  const breaks = (): number => (clock.monotonic() - beatAtMs > ackWaitMs ? ended + 1 : ended);
  return {
    beat: () => {
      ended = breaks();
      beatAtMs = clock.monotonic();
    },
    breaks,
  };
};
