/** `Permits` over the bus: this process's side of the limiter. Where no limiter answers, everybody waits. */
import type { Bus } from '../bus/bus.ts';
import { named } from '../bus/subjects.ts';
import { atMost, type Clock } from '../kernel/clock.ts';
import { LimiterTimeoutError, NonRetryableError, NotFoundError, UnavailableError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Random } from '../kernel/random.ts';
import { type Budget, timingOf } from './budget.ts';
import { fates } from './asking/fates.ts';
import { holding } from './asking/holding.ts';
import { line } from './asking/line.ts';
import { penalties } from './asking/penalties.ts';
import { notAnAmount, permit } from './asking/permit.ts';
import type { Permit, Permits, PermitWait, Wanted } from './permits.ts';
import { waits } from './asking/waits.ts';

export interface PermitsOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics?: Metrics;
  /** By name. */
  readonly budgets: ReadonlyMap<string, Budget>;
  /** What the subjects that answers come to begin with; `_INBOX`. */
  readonly inboxPrefix?: string;
}

export interface OpenPermits extends Permits {
  /** Rejects those that wait, returns what is unused, and tells the limiter what it does not know yet: for 2 s at most. */
  close(): Promise<void>;
}

const closingMs = 2_000;

/** Throws InvalidNameError for a budget whose name is no subject token. */
export const permits = (options: PermitsOptions): OpenPermits => {
  const { bus, clock, random, budgets } = options;
  const client = random.id();
  const clients = new Map<string, BudgetClient>();
  for (const [name, budget] of budgets) clients.set(name, budgetClient(named('budget', name), budget, client, options));
  const watching = bus.onConnection((connection) => {
    if (connection !== 'connected') return;
    for (const each of clients.values()) each.renew();
  });
  const { penalize, close: stopPenalties } = penalties({ bus, clock, random, log: options.log });
  let closing: Promise<void> | undefined;

  const closeAll = async (): Promise<void> => {
    watching.unsubscribe();
    stopPenalties();
    await Promise.all([...clients.values()].map((each) => each.close()));
  };

  return {
    acquire: (name, wanted) => {
      const found = clients.get(name);
      if (found) return found.acquire(wanted);
      options.metrics?.limiterRefused.labels('unknown', 'unknown_budget').inc();
      return Promise.reject(new NotFoundError(`there is no budget "${name}"; ${known([...clients.keys()])}`));
    },
    penalize: (name, retryAfterMs, why) => {
      if (clients.has(name) && !closing) penalize(name, retryAfterMs, why);
    },
    waitMs: (name) => clients.get(name)?.waitMs() ?? 0,
    waitsOf: (recordKey) => [...clients.values()].flatMap((each) => each.waitsOf(recordKey)),
    close: () => (closing ??= closeAll()),
  };
};

const known = (names: readonly string[]): string =>
  names.length === 0 ? 'none is configured' : `there are ${names.map((name) => `"${name}"`).join(', ')}`;

type Refused = (reason: 'not_an_amount' | 'too_large' | 'past_deadline') => void;

/** Throws what no waiting would change. */
const check = (name: string, { windows }: Budget, { amount, maxWaitMs, signal }: Wanted, refused: Refused): void => {
  signal.throwIfAborted();
  const wrong = notAnAmount(amount);
  if (wrong) {
    refused('not_an_amount');
    throw new NonRetryableError(`budget "${name}": ${amount[wrong]} ${wrong} is no amount; give 0 or more`);
  }
  const tooSmall = windows.find(({ unit, limit }) => amount[unit] > limit);
  if (tooSmall) {
    refused('too_large');
    const { unit, limit, perMs } = tooSmall;
    const remedy = 'make the request smaller, or the limit larger';
    throw new NonRetryableError(
      `budget "${name}" never allows ${amount[unit]} ${unit}: its limit is ${limit} in ${perMs} ms; ${remedy}`,
    );
  }
  if (!(maxWaitMs > 0)) {
    refused('past_deadline');
    throw new LimiterTimeoutError(`no time to wait for a permit of budget "${name}": ${maxWaitMs} ms`);
  }
};

type BudgetClient = ReturnType<typeof budgetClient>;

const budgetClient = (name: string, budget: Budget, client: string, options: PermitsOptions) => {
  const { bus, clock, random, log, metrics, inboxPrefix = '_INBOX' } = options;
  const recent = waits();
  const stale = metrics?.limiterStale.labels(name);
  const timeouts = metrics?.limiterTimeouts.labels(name);
  const waitSeconds = metrics?.limiterWaitSeconds.labels(name);
  const unknown = metrics?.limiterUnknown.labels(name);
  const refused: Refused = (reason) => metrics?.limiterRefused.labels(name, reason).inc();
  let closed = false;

  const told = fates({ bus, clock, random, log, client, budget: name, unknown: (count) => unknown?.inc(count) });
  const held = holding({ clock, keepalive: budget.concurrent !== undefined, tell: told.tell });
  const queue = line({
    bus,
    clock,
    log,
    client,
    budget: name,
    permitMs: timingOf(budget).permitMs,
    inbox: `${inboxPrefix}.limiter.${client}.${name}`,
    unused: (id, isStale) => {
      if (isStale) stale?.inc();
      told.tell(id, { type: 'unsent' });
    },
    granted: (id, wanted, { untilMs, waitedMs }) => {
      const { amount, waitedMs: beforeMs = 0 } = wanted;
      const granted = { id, budget: name, amount, waitedMs: beforeMs + waitedMs, untilMs };
      const made = held.add(id, (over) => permit(granted, clock, { tell: told.tell, over }));
      recent.add(waitedMs, clock.monotonic());
      waitSeconds?.observe(waitedMs / 1_000);
      return made;
    },
    timedOut: (waitedMs) => {
      recent.add(waitedMs, clock.monotonic());
      timeouts?.inc();
    },
  });

  return {
    renew: queue.renew,
    waitsOf: (recordKey: string): readonly PermitWait[] => {
      const found = queue.waitOf(recordKey);
      return found ? [{ budget: name, ...found }] : [];
    },
    acquire: (wanted: Wanted): Promise<Permit> =>
      new Promise((resolve, reject) => {
        if (closed) throw new UnavailableError(`no permit of budget "${name}": this process is closing`);
        check(name, budget, wanted, refused);
        queue.join(wanted, resolve, reject);
      }),
    waitMs: (): number => {
      const nowMs = clock.monotonic();
      const { oldestMs } = queue;
      return Math.round(Math.max(recent.at(nowMs), oldestMs === undefined ? 0 : nowMs - oldestMs));
    },
    close: async (): Promise<void> => {
      closed = true;
      held.close();
      const emptied = queue.empty(new UnavailableError(`no permit of budget "${name}": this process is closing`));
      await atMost(clock, closingMs, emptied.then(told.flushed));
      queue.close();
      told.close();
    },
  };
};
