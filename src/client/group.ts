/** Tasks that were submitted together. */
import { type Duration, toMs } from '../kernel/duration.ts';
import { type DeadlineExceededError, NotFoundError } from '../kernel/errors.ts';
import { unlessAborted } from '../kernel/signal.ts';
import { slots } from '../kernel/slots.ts';
import { isUnanswered } from '../kernel/unanswered.ts';
import { membersOf } from '../task/group.ts';
import type { Core } from './core.ts';
import { cutOff } from './ingress.ts';
import { tooLong } from './run.ts';
import type { Counts, Group } from './types.ts';

const lookFirstMs = 100;
const lookMostMs = 2_000;
/** Counting takes time with a group's size: at most a fifth of the waiting goes into it. */
const restPerCount = 4;
/** When the time is up, what the last look may take. */
const lastLookMs = 1_000;
const cancelsAtOnce = 64;

export const groupOf = (core: Core, name: string): Group => ({
  counts: () => core.doors.counts(name),
  done: (options = {}) => done(core, name, options.timeout),
  cancel: () => cancelAll(core, name),
});

/** Through outages, as any wait for an end. */
const done = async (core: Core, name: string, timeout: Duration | undefined): Promise<Counts> => {
  const { clock, bus } = core.ports;
  const timeoutMs = timeout === undefined ? Number.POSITIVE_INFINITY : toMs(timeout, 'timeout');
  const over = new AbortController();
  const life = core.life(over.signal);
  const waiting: Waiting = { signal: life.signal, until: clock.monotonic() + timeoutMs, failure: undefined };
  const giveUp = (): DeadlineExceededError => {
    const cause = waiting.failure ?? (bus.connection === 'connected' ? undefined : cutOff(`group "${name}"`));
    return tooLong(`group "${name}"`, timeoutMs, cause);
  };
  const timer = timeout === undefined ? undefined : clock.timer(timeoutMs + lastLookMs, () => over.abort(giveUp()));
  try {
    const counts = await lookUntil(core, name, waiting);
    if (counts) return counts;
    throw giveUp();
  } finally {
    timer?.cancel();
    life.end();
  }
};

interface Waiting {
  readonly signal: AbortSignal;
  /** Monotonic ms. */
  readonly until: number;
  /** What the last look has failed with. */
  failure: unknown;
}

/** The counts when nothing is left to wait for; `undefined` where something is at the end of the time. */
const lookUntil = async (core: Core, name: string, waiting: Waiting): Promise<Counts | undefined> => {
  const { clock, log } = core.ports;
  const { signal, until } = waiting;
  let restMs = 0;
  for (let pauseMs = lookFirstMs; ; pauseMs = Math.min(pauseMs * 2, lookMostMs)) {
    const askedAt = clock.monotonic();
    try {
      const counts = await unlessAborted(signal, core.doors.counts(name));
      waiting.failure = undefined;
      restMs = restPerCount * (clock.monotonic() - askedAt);
      if (counts.queued + counts.running + counts.waiting === 0) return counts;
    } catch (error) {
      if (signal.aborted || !isUnanswered(error)) throw error;
      if (waiting.failure === undefined) log.warn({ err: error, group: name }, 'nobody counts the group: asked again');
      waiting.failure = error;
    }
    const leftMs = until - clock.monotonic();
    if (leftMs <= 0) return undefined;
    await clock.sleep(Math.min(Math.max(pauseMs, restMs), leftMs), signal);
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
