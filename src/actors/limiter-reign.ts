/** One limiter's time: from when it has written itself into the budget's key until another has, or it is told to stop. */
import type { Bucket } from '../kv/kv.ts';
import type { Process } from '../kernel/process.ts';
import { aborted, linked } from '../kernel/signal.ts';
import type { Timer } from '../kernel/clock.ts';
import { grantor } from '../limiter/granting/grantor.ts';
import type { InheritedSlice } from '../limiter/granting/inherited.ts';
import type { Grants } from '../limiter/messages.ts';
import { encodeJson } from '../task/json.ts';
import type { Slice } from '../limiter/granting/slices.ts';
import type { LimiterOptions } from './limiter.ts';
import { limiterService } from './limiter-service.ts';
import { writeKey } from './limiter-write.ts';

export interface ReignOptions extends LimiterOptions {
  readonly epoch: number;
  /** Of the key, by which this limiter has taken over. */
  readonly revision: number;
  readonly inherited: readonly InheritedSlice[];
  readonly closedMs: number;
  readonly limits: Bucket;
  readonly leaseMs: number;
}

/** Resolves when it is over. */
export const reign = async (options: ReignOptions, stop: AbortSignal): Promise<void> => {
  const { budget, clock, log, metrics, epoch, node, leaseMs } = options;
  const over = linked(stop);
  const mind = grantor({ ...options, nowMs: clock.monotonic() });
  let revision = options.revision;
  let keptAtMs = clock.monotonic();
  let writing: Promise<boolean> | undefined;
  let next: Promise<boolean> | undefined;
  let alarm: Timer | undefined;
  let due = false;

  /** Writes what is known now over the last revision; one at a time. Ends the reign, and says so, if the key is another's. */
  const write = async (holder: string, signal: AbortSignal): Promise<boolean> => {
    const now = clock.monotonic();
    const key = { epoch, node: holder, closedMs: mind.closedMs(now), slices: mind.kept(now) };
    const written = await writeKey({ ...options, expected: revision, signal }, key);
    if (written.type === 'lost') {
      over.abort();
      return false;
    }
    revision = written.revision;
    keptAtMs = now;
    return true;
  };

  const save = (slice?: Slice): Promise<boolean> => {
    const done = write(node, over.signal)
      .then((written) => {
        if (slice && !over.signal.aborted) mind.opened(slice);
        return written;
      })
      .catch((error: unknown) => {
        if (!over.signal.aborted) log.error({ err: error, budget: budget.name }, 'the key of a budget was not written');
        over.abort();
        return false;
      })
      .finally(() => {
        writing = undefined;
        soon();
      });
    writing = done;
    return done;
  };

  /** No write is under way, and none is to follow one: each is over the revision that the last one came to. */
  const isIdle = (): boolean => writing === undefined && next === undefined;

  /** Whether what is known now has come into the key; if not, the reign is over. Never rejects. */
  const keep = (): Promise<boolean> => {
    if (next) return next;
    if (!writing) return save();
    next = writing.then(() => {
      next = undefined;
      return save();
    });
    return next;
  };

  const work = (): void => {
    due = false;
    if (over.signal.aborted) return;
    const now = clock.monotonic();
    const { answers, take, againAtMs } = mind.work(now, isIdle());
    for (const { reply, grants } of answers) {
      if (grants.refused.length > 0) metrics.limiterRefused.labels(budget.name, 'too_large').inc(grants.refused.length);
      metrics.limiterGrants.labels(budget.name).inc(grants.grants.length);
      answer(options, reply, grants);
    }
    if (take) void save(take); // Never rejects.
    alarm?.cancel();
    if (Number.isFinite(againAtMs)) alarm = clock.timer(Math.max(0, againAtMs - now), soon);
  };

  /** What one reading of the socket brings is looked at together. */
  const soon = (): void => {
    if (due || over.signal.aborted) return;
    due = true;
    queueMicrotask(work);
  };

  const beat = clock.every(leaseMs / 8, () => {
    const silentMs = clock.monotonic() - keptAtMs;
    if (silentMs > leaseMs) return over.abort(); // Others may take over by now.
    if (silentMs > leaseMs / 4 && isIdle()) void keep();
  });
  const serve = async (): Promise<Process> => {
    try {
      const service = await limiterService({ ...options, mind, soon, keep })(over.signal);
      soon();
      await aborted(over.signal);
      return service;
    } finally {
      // Also where nobody can be served: then others take over.
      over.abort();
      beat.cancel();
      alarm?.cancel();
    }
  };
  const { exit } = await serve();
  await (next ?? writing);
  if (stop.aborted) await handOver(options, write);
  await exit;
};

/** What does not fit a message has nobody else suffer: its client asks again. */
const answer = ({ bus, log, budget }: ReignOptions, reply: string, grants: Grants): void => {
  try {
    bus.publish(reply, encodeJson(grants));
  } catch (error) {
    log.error({ err: error, budget: budget.name, client: reply }, 'a client of a limiter was not answered');
  }
};

/** A successor need not wait until it is sure that this one is gone. */
const handOver = async (
  { clock, leaseMs, log, budget }: ReignOptions,
  write: (holder: string, signal: AbortSignal) => Promise<boolean>,
): Promise<void> => {
  const patience = new AbortController();
  const timer = clock.timer(leaseMs, () => patience.abort());
  await write('', patience.signal).catch((error: unknown) =>
    log.debug({ err: error, budget: budget.name }, 'a budget was not handed over: others take it over in their time'),
  );
  timer.cancel();
};
