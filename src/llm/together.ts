/**
 * Permits of several budgets at the same moment. All are asked for at once, and one that runs out while another is not
 * there yet is returned, for others to use. Once each has been there, this request has had its turn in each queue: from
 * then on what runs out is asked for again at once, in the place of the first time, until they meet.
 */
import type { Clock, Timer } from '../kernel/clock.ts';
import { linked } from '../kernel/signal.ts';
import type { Permit, Permits, Wanted } from '../limiter/permits.ts';

export interface Together extends Omit<Wanted, 'maxWaitMs' | 'waitedMs'> {
  readonly budgets: readonly string[];
  readonly clock: Pick<Clock, 'monotonic'>;
  /** How long they may still be waited for, in ms. */
  readonly leftMs: () => number;
}

/** A budget's permit, or the wait for it. */
interface Place {
  readonly budget: string;
  asking: boolean;
  /** Whether a permit has been here. */
  had: boolean;
  held: { readonly permit: Permit; readonly watch: Timer } | undefined;
}

/** Resolves with those that are in time together. Throws what `Permits.acquire` throws, and has none then. */
export const together = async (
  permits: Permits,
  { budgets, clock, leftMs, ...wanted }: Together,
): Promise<readonly Permit[]> => {
  const life = linked(wanted.signal);
  const { promise, resolve, reject } = Promise.withResolvers<readonly Permit[]>();
  const sinceMs = clock.monotonic();
  const places = budgets.map((budget): Place => ({ budget, asking: false, had: false, held: undefined }));

  const giveBack = (place: Place): void => {
    place.held?.watch.cancel();
    place.held?.permit.unsent();
    place.held = undefined;
  };

  const ask = (place: Place): void => {
    const waitedMs = clock.monotonic() - sinceMs;
    place.asking = true;
    permits
      .acquire(place.budget, { ...wanted, waitedMs, maxWaitMs: leftMs(), signal: life.signal })
      .then((permit) => hold(place, permit), reject);
  };

  const hold = (place: Place, permit: Permit): void => {
    if (life.signal.aborted) return permit.unsent();
    const over = (): void => {
      giveBack(place);
      look();
    };
    Object.assign(place, { asking: false, had: true, held: { permit, watch: permit.whenOver(over) } });
    look();
  };

  const look = (): void => {
    for (const place of places) if (place.held?.permit.inTime() === false) giveBack(place);
    const held = places.flatMap(({ held: each }) => each ?? []);
    if (held.length === places.length) return resolve(held.map(({ permit }) => permit));
    if (!places.every(({ had }) => had)) return;
    for (const place of places) if (!place.held && !place.asking) ask(place);
  };

  places.forEach(ask);
  try {
    return await promise;
  } catch (error) {
    places.forEach(giveBack);
    throw error;
  } finally {
    for (const { held } of places) held?.watch.cancel();
    life.abort();
  }
};
