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
  /** The number of a call that may go; while the breaker is half open, the first that asks is the probe. */
  enter(): number | undefined;
  /** A call that entered was answered. */
  succeeded(): void;
  /** One was not, made for all of these numbers. `ill`: why that says that the provider is ill, if it does. */
  failed(calls: readonly number[], ill?: Illness): void;
  /** By the last failure that says so; `undefined` while there is none. */
  illness(): Illness | undefined;
}

export interface Illness {
  readonly cause: unknown;
}

export interface BreakerEvents {
  /** From now on it is left alone for so long. */
  opened(ms: number, illness: Illness): void;
  /** It is well again. */
  closed(): void;
}

export const breaker = (clock: Pick<Clock, 'monotonic'>, { opened, closed }: BreakerEvents): Breaker => {
  let failures = 0;
  let openMs = 0;
  let openUntil = 0;
  let entered = 0;
  let probe: number | undefined;
  let last: Illness | undefined;

  const waitMs = (): number => (openMs === 0 ? 0 : Math.max(0, openUntil - clock.monotonic()));

  return {
    waitMs: () => (probe !== undefined ? Math.max(probeMs, waitMs()) : waitMs()),
    enter: () => {
      if (openMs > 0 && (probe !== undefined || waitMs() > 0)) return undefined;
      entered += 1;
      if (openMs > 0) probe = entered;
      return entered;
    },
    succeeded: () => {
      const wasOpen = openMs > 0;
      [failures, openMs, probe, last] = [0, 0, undefined, undefined];
      if (wasOpen) closed();
    },
    failed: (calls, ill) => {
      const probed = probe !== undefined && calls.includes(probe);
      if (probed) probe = undefined;
      if (!ill) return;
      last = ill;
      failures += 1;
      // Calls that had left before it opened fail too: they say nothing new.
      if (openMs > 0 ? !probed : failures < failuresMax) return;
      openMs = Math.min(longestOpenMs, openMs === 0 ? firstOpenMs : openMs * 2);
      openUntil = clock.monotonic() + openMs;
      opened(openMs, ill);
    },
    illness: () => last,
  };
};
