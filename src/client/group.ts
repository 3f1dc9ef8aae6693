/** Tasks that were submitted together. */
import { type Duration, toMs } from '../kernel/duration.ts';
import { NotFoundError, TimeoutError, UnavailableError } from '../kernel/errors.ts';
import { slots } from '../kernel/slots.ts';
import { membersOf } from '../task/group.ts';
import type { Core } from './core.ts';
import { tooLong } from './run.ts';
import type { Counts, Group } from './types.ts';

const lookFirstMs = 100;
const lookMostMs = 2_000;
/** Counting takes time with a group's size: at most a fifth of the waiting goes into it. */
const restPerCount = 4;
/** How long nobody may answer before that is the answer. */
const silenceMostMs = 30_000;
const cancelsAtOnce = 64;

export const groupOf = (core: Core, name: string): Group => ({
  counts: () => core.doors.counts(name),
  done: (options = {}) => done(core, name, options.timeout),
  cancel: () => cancelAll(core, name),
});

const done = async (core: Core, name: string, timeout: Duration | undefined): Promise<Counts> => {
  const { clock } = core.ports;
  const life = core.life(undefined);
  const timeoutMs = timeout === undefined ? Number.POSITIVE_INFINITY : toMs(timeout, 'timeout');
  const until = clock.monotonic() + timeoutMs;
  let heardAt = clock.monotonic();
  let restMs = 0;
  try {
    for (let pauseMs = lookFirstMs; ; pauseMs = Math.min(pauseMs * 2, lookMostMs)) {
      const askedAt = clock.monotonic();
      try {
        const counts = await core.doors.counts(name);
        heardAt = clock.monotonic();
        restMs = restPerCount * (heardAt - askedAt);
        if (counts.queued + counts.running + counts.waiting === 0) return counts;
      } catch (error) {
        const passing = error instanceof UnavailableError || error instanceof TimeoutError;
        if (!passing || clock.monotonic() - heardAt > silenceMostMs) throw error;
      }
      const leftMs = until - clock.monotonic();
      if (leftMs <= 0) throw tooLong(`group "${name}"`, timeoutMs);
      await clock.sleep(Math.min(Math.max(pauseMs, restMs), leftMs), life.signal);
    }
  } finally {
    life.end();
  }
};

/** A task that ends meanwhile, or is forgotten, needs no cancelling. */
const cancelAll = async (core: Core, name: string): Promise<number> => {
  core.alive();
  const places = slots(cancelsAtOnce);
  let cancelled = 0;
  let failure: { readonly error: unknown } | undefined;
  const cancel = async (recordKey: string): Promise<void> => {
    try {
      if (await core.doors.cancel(recordKey)) cancelled += 1;
    } catch (error) {
      if (!(error instanceof NotFoundError)) failure ??= { error };
    } finally {
      places.give();
    }
  };
  for (const recordKey of await membersOf(core.ports, name)) {
    await places.take();
    void cancel(recordKey); // It handles its own failure.
  }
  await places.free();
  if (failure) throw failure.error;
  return cancelled;
};
