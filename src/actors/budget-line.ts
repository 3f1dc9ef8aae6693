/**
 * Tasks of one lane that wait here for permits of one budget, outside of any worker's slot. Permits are asked for as many
 * as there are workers to use them, and one where there is none: then it is there when a worker is. One that nobody could
 * use in time goes back, and another is asked for.
 */
import type { Delivery } from '../bus/queue.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import { amountOf } from '../limiter/budget.ts';
import type { Permit, Permits } from '../limiter/permits.ts';
import type { Task } from '../task/message.ts';
import type { Arrival } from './lane-pulls.ts';
import { startPermit } from './start-permit.ts';

/** Who has waited for so long is said to wait, and keeps others from being pulled to wait beside it. */
export const patienceMs = 250;
/** The limiter knows no longer wait. */
const longestMs = 7 * 86_400_000;
/** Before asking again where permits could not be asked for. */
const pauseMs = 1_000;
export interface BudgetLineOptions {
  readonly budget: string;
  readonly permits: Permits;
  readonly clock: Clock;
  readonly log: Log;
  /** The server's clock, epoch ms. */
  readonly now: () => number;
  /** Workers that want a task. */
  readonly free: () => number;
  /** Somebody may start. */
  readonly changed: () => void;
}

/** A task that wants to start. */
export interface Starter {
  readonly arrival: Arrival;
  readonly task: Task;
  /** How long an attempt may take, in ms. */
  readonly holdMs: number;
}

interface Waiter extends Starter {
  readonly sinceMs: number;
  asking: AbortController | undefined;
  permit: Permit | undefined;
  /** To be settled by a worker, without a start: its task was cancelled, or its time is over. */
  released: boolean;
  noted: boolean;
}

export interface BudgetLine {
  readonly size: number;
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
  deliveries(): Iterable<Delivery>;
  cancel(recordKey: string): void;
  /** Nobody waits any more. */
  close(): void;
}

export const budgetLine = (options: BudgetLineOptions): BudgetLine => {
  const { budget, permits, clock, log, now, free, changed } = options;
  const all = new Set<Waiter>();
  let pausedUntilMs = 0;

  const letGo = (waiter: Waiter): void => {
    waiter.asking?.abort();
    waiter.permit?.unsent();
    waiter.asking = undefined;
    waiter.permit = undefined;
  };

  const request = (waiter: Waiter): void => {
    const life = new AbortController();
    waiter.asking = life;
    const { task, holdMs } = waiter;
    const wanted = { lane: task.route.lane, tenant: task.tenant ?? '', maxWaitMs: longestMs, holdMs };
    const granted = (permit: Permit): void => {
      if (waiter.asking !== life) return permit.unsent();
      waiter.asking = undefined;
      waiter.permit = permit;
      changed();
    };
    const failed = (error: unknown): void => {
      if (waiter.asking !== life) return;
      waiter.asking = undefined;
      pausedUntilMs = clock.monotonic() + pauseMs;
      log.warn({ err: error, budget, task: task.recordKey }, 'a permit for a task’s start could not be asked for');
    };
    void permits.acquire(budget, { ...wanted, amount: amountOf(0, 0), signal: life.signal }).then(granted, failed);
  };

  const ask = (): void => {
    if (clock.monotonic() < pausedUntilMs) return;
    let wanted = Math.max(1, free());
    for (const { asking, permit } of all) if (asking || permit) wanted -= 1;
    for (const waiter of all) {
      if (wanted <= 0) return;
      if (waiter.asking || waiter.permit || waiter.released) continue;
      wanted -= 1;
      request(waiter);
    }
  };

  const release = (waiter: Waiter): void => {
    letGo(waiter);
    waiter.released = true;
    changed();
  };

  const short = (): boolean => {
    let asked = false;
    for (const { asking, permit } of all) {
      if (permit) return false; // What is missing is a worker.
      asked ||= asking !== undefined;
    }
    return asked && waitedMs() > patienceMs;
  };

  const waitedMs = (): number => {
    const [first] = all;
    return first ? clock.monotonic() - first.sinceMs : 0;
  };

  return {
    get size() {
      return all.size;
    },
    join: (starter) => {
      const sinceMs = clock.monotonic();
      all.add({ ...starter, sinceMs, asking: undefined, permit: undefined, released: false, noted: false });
      ask();
    },
    next: (assign) => {
      for (const waiter of all) {
        const { permit, released, arrival } = waiter;
        if (!permit && !released) continue;
        if (permit && !permit.inTime()) {
          letGo(waiter);
          request(waiter);
        } else if (assign({ ...arrival, permit: startPermit(clock, permit) })) {
          all.delete(waiter);
          ask();
          return true;
        }
      }
      return false;
    },
    ask,
    short,
    waitedMs,
    sweep: () => {
      const long: Delivery[] = [];
      const isShort = short();
      const [server, own] = [now(), clock.monotonic()];
      for (const waiter of all) {
        const { task, arrival, permit, released, noted, sinceMs } = waiter;
        if (!released && task.deadlineAt !== undefined && task.deadlineAt <= server) release(waiter);
        else if (permit && !permit.inTime()) {
          letGo(waiter);
          request(waiter);
        } else if (isShort && !noted && own - sinceMs > patienceMs) {
          waiter.noted = true;
          long.push(arrival.delivery);
        }
      }
      ask();
      return long;
    },
    deliveries: function* () {
      for (const { arrival } of all) yield arrival.delivery;
    },
    cancel: (recordKey) => {
      for (const waiter of all) if (waiter.arrival.recordKey === recordKey) release(waiter);
    },
    close: () => {
      for (const waiter of all) letGo(waiter);
      all.clear();
    },
  };
};
