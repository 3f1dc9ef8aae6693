/**
 * Tasks of one lane that wait here for permits of one budget, outside of any worker's slot. Permits are asked for as many
 * as there are workers to use them, and one where there is none: then it is there when a worker is. One that nobody could
 * use in time goes back, and another is asked for.
 */
import type { Delivery } from '../bus/queue.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { Permits } from '../limiter/permits.ts';
import { type Starter, type Waiter, waiterOf } from './budget-waiter.ts';
import type { Arrival } from './lane-pulls.ts';

/** Who has waited for so long is said to wait, and keeps others from being pulled to wait beside it. */
const patienceMs = 250;
/** Before asking again where permits could not be asked for. */
const pauseMs = 1_000;

export interface BudgetLineOptions {
  readonly budget: string;
  readonly permits: Pick<Permits, 'acquire'>;
  readonly clock: Clock;
  readonly log: Log;
  /** The server's clock, epoch ms. */
  readonly now: () => number;
}

/** What a line asks of the pool, and tells it. */
export interface BudgetLineEvents {
  /** Workers that want a task. */
  free(): number;
  /** Somebody may start. */
  changed(): void;
}

export interface BudgetLine {
  size(): number;
  join(starter: Starter): void;
  /** Offers the first that may start to `assign`. Answers whether it was taken. */
  next(assign: (arrival: Arrival) => boolean): boolean;
  /** Asks for as many permits as are wanted now. */
  ask(): void;
  /** Whether it is the budget that holds them up, and has for a while. */
  short(): boolean;
  /** How long the first has waited, in ms. */
  waitedMs(): number;
  /** Returns what has run out, lets go of those whose time is over. Answers those that have come to wait for long. */
  sweep(): readonly Delivery[];
  cancel(recordKey: string): void;
  /** Nobody waits any more. */
  close(): void;
}

export const budgetLine = (options: BudgetLineOptions, { free, changed }: BudgetLineEvents): BudgetLine => {
  const { budget, clock, log, now } = options;
  const all = new Set<Waiter>();
  let pausedUntilMs = 0;

  const failed = (error: unknown): void => {
    pausedUntilMs = clock.monotonic() + pauseMs;
    log.warn({ err: error, budget }, 'permits for starts of tasks could not be asked for: asked again in a second');
  };

  const ask = (): void => {
    if (clock.monotonic() < pausedUntilMs) return;
    let wanted = Math.max(1, free());
    for (const waiter of all) if (isAt(waiter, 'asking', 'granted')) wanted -= 1;
    for (const waiter of all) {
      if (wanted <= 0) return;
      if (waiter.state() !== 'waiting') continue;
      wanted -= 1;
      waiter.ask();
    }
  };

  const release = (waiter: Waiter): void => {
    waiter.release();
    changed();
  };

  const waitedMs = (): number => {
    const [first] = all;
    return first ? clock.monotonic() - first.sinceMs : 0;
  };

  const short = (): boolean => {
    if (waitedMs() <= patienceMs) return false;
    const states = new Set([...all].map((waiter) => waiter.state()));
    return states.has('asking') && !states.has('granted'); // Where one is granted, what is missing is a worker.
  };

  return {
    size: () => all.size,
    join: (starter) => {
      all.add(waiterOf({ ...options, granted: changed, failed }, starter));
      ask();
    },
    next: (assign) => {
      for (const waiter of all) {
        if (!isAt(waiter, 'granted', 'released') || waiter.renewed()) continue;
        if (!assign({ ...waiter.arrival, permit: waiter.start() })) return false;
        all.delete(waiter);
        ask();
        return true;
      }
      return false;
    },
    ask,
    short,
    waitedMs,
    sweep: () => {
      const [isShort, sinceMs, nowMs] = [short(), clock.monotonic() - patienceMs, now()];
      const long: Delivery[] = [];
      for (const waiter of all) {
        const { task, arrival, noted } = waiter;
        if (waiter.state() === 'released' || waiter.renewed()) continue;
        if (task.deadlineAt !== undefined && task.deadlineAt <= nowMs) release(waiter);
        else if (isShort && !noted && waiter.sinceMs < sinceMs) {
          waiter.noted = true;
          long.push(arrival.delivery);
        }
      }
      ask();
      return long;
    },
    cancel: (recordKey) => {
      for (const waiter of all) if (waiter.arrival.recordKey === recordKey) release(waiter);
    },
    close: () => {
      for (const waiter of all) waiter.leave();
      all.clear();
    },
  };
};

const isAt = (waiter: Waiter, ...states: readonly ReturnType<Waiter['state']>[]): boolean =>
  states.includes(waiter.state());
