/** One limiter's time: from when it has written itself into the budget's key until another has, or it is told to stop. */
import { encodeJson } from '../bus/json.ts';
import type { Timer } from '../kernel/clock.ts';
import type { Process } from '../kernel/process.ts';
import { aborted, linked } from '../kernel/signal.ts';
import type { Bucket } from '../kv/kv.ts';
import { grantor } from '../limiter/granting/grantor.ts';
import type { InheritedSlice } from '../limiter/granting/inherited.ts';
import type { Grants } from '../limiter/messages.ts';
import { heldKey } from './limiter-held-key.ts';
import type { LimiterOptions } from './limiter.ts';
import { limiterService } from './limiter-service.ts';

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
  const { budget, clock, metrics, leaseMs } = options;
  const over = linked(stop);
  const mind = grantor({ ...options, nowMs: clock.monotonic() });
  const key = heldKey({ ...options, mind, over, written: () => soon() });
  let alarm: Timer | undefined;
  let due = false;

  const work = (): void => {
    due = false;
    if (over.signal.aborted) return;
    const now = clock.monotonic();
    const { answers, take, againAtMs } = mind.work(now, key.isIdle());
    for (const { reply, grants } of answers) {
      if (grants.refused.length > 0) metrics.limiterRefused.labels(budget.name, 'too_large').inc(grants.refused.length);
      metrics.limiterGrants.labels(budget.name).inc(grants.grants.length);
      answer(options, reply, grants);
    }
    if (take) key.take(take);
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
    const silentMs = key.silentMs();
    if (silentMs > leaseMs) return over.abort(); // Others may take over by now.
    if (silentMs > leaseMs / 4 && key.isIdle()) void key.keep();
  });
  const serve = async (): Promise<Process> => {
    try {
      const service = await limiterService({ ...options, mind, soon, keep: key.keep })(over.signal);
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
  await key.settled();
  if (stop.aborted) await key.handOver();
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
