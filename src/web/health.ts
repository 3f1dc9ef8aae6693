/** Whether this node can take work, asked by anybody as often as they like: answered at most every 250 ms. */
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Store } from '../store/store.ts';

export interface Readiness {
  readonly ready: boolean;
  readonly nats: boolean;
  readonly store: boolean;
}

const validMs = 250;

export const readiness = (
  bus: Pick<Bus, 'connection'>,
  store: Pick<Store, 'ready'>,
  clock: Clock,
): (() => Promise<Readiness>) => {
  let current: Promise<Readiness> | undefined;
  let validUntilMs = 0;

  const ask = async (): Promise<Readiness> => {
    const nats = bus.connection === 'connected';
    const stored = await store.ready();
    validUntilMs = clock.monotonic() + validMs;
    return { ready: nats && stored, nats, store: stored };
  };

  return () => {
    // While a store takes long to answer, everybody waits for the one question.
    if (!current || clock.monotonic() >= validUntilMs) {
      validUntilMs = Number.POSITIVE_INFINITY;
      current = ask();
    }
    return current;
  };
};
