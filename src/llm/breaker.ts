/**
 * A circuit breaker for one way to reach a model. After so many failures in a row nobody tries it for a while; then one
 * call is let through, and what becomes of that decides.
 */
import type { Clock } from '../kernel/clock.ts';

const failuresMax = 5;
const firstOpenMs = 10_000;
const longestOpenMs = 120_000;
/** How long to leave a probe to itself: who asks meanwhile asks again after that. */
const probeMs = 5_000;

export interface Breaker {
  /** How long until it may be tried, in ms; 0: now. */
  waitMs(): number;
  /** Whether this call may go; while the breaker is half open, the first that asks is the probe. */
  enter(): boolean;
  /** A call that entered was answered. */
  succeeded(): void;
  /** A call that entered was not. `counts`: whether that says that the provider is ill. */
  failed(counts: boolean): void;
}

export const breaker = (clock: Pick<Clock, 'monotonic'>): Breaker => {
  let failures = 0;
  let openMs = 0;
  let openUntil = 0;
  let probing = false;

  const waitMs = (): number => (openMs === 0 ? 0 : Math.max(0, openUntil - clock.monotonic()));

  return {
    waitMs: () => (probing ? Math.max(probeMs, waitMs()) : waitMs()),
    enter: () => {
      if (openMs === 0) return true;
      if (probing || waitMs() > 0) return false;
      probing = true;
      return true;
    },
    succeeded: () => {
      [failures, openMs, probing] = [0, 0, false];
    },
    failed: (counts) => {
      const probed = probing;
      probing = false;
      if (!counts) return;
      failures += 1;
      // Calls that had left before it opened fail too: they say nothing new.
      if (openMs > 0 ? !probed : failures < failuresMax) return;
      openMs = Math.min(longestOpenMs, openMs === 0 ? firstOpenMs : openMs * 2);
      openUntil = clock.monotonic() + openMs;
    },
  };
};
