/**
 * What a node has seen of a budget's key, and when, by its own clock: whether its limiter lives, and since when each slice
 * has been there. A successor that has watched from the start dates what it inherits by that.
 */
import type { Bus } from '../bus/bus.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Bucket, Entry } from '../kv/kv.ts';
import type { InheritedSlice } from '../limiter/granting/inherited.ts';
import { decodeKey, type LimiterKey } from '../limiter/granting/key.ts';

export interface Sight {
  /** The key's revision; 0 without one. */
  readonly revision: () => number;
  /** What the key says; `undefined` without one, or if no limiter wrote it. */
  readonly key: () => LimiterKey | undefined;
  /** The highest that the key has had. */
  readonly epoch: () => number;
  /** Whether there was a key, and what had been taken is not known: it is gone, or somebody has written over it. */
  readonly isLost: () => boolean;
  /** A write over `revision` has found this in the key's place: of a purge, or of a bucket made anew, no watch tells. */
  correct(revision: number, current: Entry | undefined): void;
  /** For how long nothing has been heard, while it could have been, in ms. */
  silentMs(): number;
  /** When this process last missed something: it was cut off, or stood still. What it saw next, it saw too late. */
  readonly missedAtMs: () => number;
  /** Its slices, each with when it was seen first; those older than this sight, as if they were new. */
  inherited(): readonly InheritedSlice[];
  close(): void;
}

export interface SightOptions {
  readonly bus: Bus;
  readonly limits: Bucket;
  readonly budget: string;
  readonly clock: Clock;
  /** The key has changed. */
  readonly changed: () => void;
}

const tickMs = 100;
/** A busy process is that late now and then. */
const standstillMs = 500;

/** Resolves when what there is has been read. */
export const sightOf = async ({ bus, limits, budget, clock, changed }: SightOptions): Promise<Sight> => {
  const ready = Promise.withResolvers<void>();
  const seenAt = new Map<number, number>();
  let missedAtMs = clock.monotonic();
  let tickedAtMs = clock.monotonic();
  let caughtUp = false;
  let heardAtMs = clock.monotonic();
  let revision = 0;
  let key: LimiterKey | undefined;
  let epoch = 0;
  let lost = false;

  const note = (slices: LimiterKey['slices']): void => {
    const there = new Set(slices.map(({ n }) => n));
    for (const n of seenAt.keys()) if (!there.has(n)) seenAt.delete(n);
    // Those that were there before have been granted from for nobody knows how long: their successor dates them.
    if (caughtUp) for (const n of there) if (!seenAt.has(n)) seenAt.set(n, heardAtMs);
  };

  const hear = (entry: Entry | undefined): void => {
    heardAtMs = clock.monotonic();
    revision = entry?.revision ?? 0;
    key = entry && decodeKey(entry.value);
    epoch = Math.max(epoch, key?.epoch ?? 0);
    lost = !key;
    note(key?.slices ?? []);
  };

  const watching = await limits.watch(
    budget,
    (_key, entry) => {
      hear(entry);
      changed();
    },
    {
      caughtUp: () => {
        caughtUp = true;
        ready.resolve();
      },
    },
  );
  const connection = bus.onConnection(() => {
    heardAtMs = clock.monotonic();
    missedAtMs = heardAtMs;
  });
  const ticking = clock.every(tickMs, () => {
    const nowMs = clock.monotonic();
    if (nowMs - tickedAtMs > standstillMs) missedAtMs = nowMs;
    tickedAtMs = nowMs;
  });
  await ready.promise;

  return {
    revision: () => revision,
    key: () => key,
    epoch: () => epoch,
    isLost: () => lost,
    correct: (over, current) => {
      if (revision === over && current?.revision !== over) hear(current); // Else it has been seen meanwhile.
    },
    silentMs: () => (bus.connection === 'connected' ? clock.monotonic() - heardAtMs : 0),
    missedAtMs: () => missedAtMs,
    inherited: () =>
      (key?.slices ?? []).map((slice) => ({ ...slice, seenAtMs: seenAt.get(slice.n) ?? clock.monotonic() })),
    close: () => {
      watching.unsubscribe();
      connection.unsubscribe();
      ticking.cancel();
    },
  };
};
