/** One task that waits here for a permit of its budget. */
import type { Clock } from '../kernel/clock.ts';
import { amountOf } from '../limiter/budget.ts';
import { longestMs } from '../limiter/messages.ts';
import type { Permit, Permits } from '../limiter/permits.ts';
import type { Task } from '../task/message.ts';
import type { StartPermit } from '../task/start-permit.ts';
import type { Arrival } from './lane-pulls.ts';
import { startPermit } from './start-permit.ts';

/** A task that wants to start. */
export interface Starter {
  readonly arrival: Arrival;
  readonly task: Task;
  /** How long an attempt may take, in ms. */
  readonly holdMs: number;
}

/** waiting → asking → granted, and back where the permit could not be used in time; each → released. */
export type WaiterState = 'waiting' | 'asking' | 'granted' | 'released';

export interface Waiter extends Starter {
  readonly sinceMs: number;
  /** Whether its record says that it waits. */
  noted: boolean;
  state(): WaiterState;
  /** Asks for a permit. */
  ask(): void;
  /** Whether its permit has run out: then it asks anew. */
  renewed(): boolean;
  /** It must not start any more, but be settled by a worker: its task was cancelled, or its time is over. */
  release(): void;
  /** Gives up waiting, and returns what it has. */
  leave(): void;
  /** For a worker that takes it now. */
  start(): StartPermit;
}

export interface WaiterOptions {
  readonly budget: string;
  readonly permits: Pick<Permits, 'acquire'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** It has a permit. */
  readonly granted: () => void;
  /** Permits cannot be asked for. */
  readonly failed: (error: unknown) => void;
}

export const waiterOf = (options: WaiterOptions, starter: Starter): Waiter => {
  const { clock, permits, budget } = options;
  const { task, holdMs } = starter;
  let asking: AbortController | undefined;
  let permit: Permit | undefined;
  let released = false;

  const leave = (): void => {
    asking?.abort();
    permit?.unsent();
    asking = undefined;
    permit = undefined;
  };

  const ask = (): void => {
    const life = new AbortController();
    asking = life;
    const granted = (got: Permit): void => {
      if (asking !== life) return got.unsent();
      asking = undefined;
      permit = got;
      options.granted();
    };
    const failed = (error: unknown): void => {
      if (asking !== life) return; // It has left.
      asking = undefined;
      options.failed(error);
    };
    const { lane } = task.route;
    const wanted = { lane, tenant: task.tenant ?? '', holdMs, maxWaitMs: longestMs, signal: life.signal };
    void permits.acquire(budget, { ...wanted, amount: amountOf(0, 0) }).then(granted, failed);
  };

  return {
    ...starter,
    sinceMs: clock.monotonic(),
    noted: false,
    state: () => {
      if (released) return 'released';
      if (permit) return 'granted';
      return asking ? 'asking' : 'waiting';
    },
    ask,
    renewed: () => {
      if (!permit || permit.inTime()) return false;
      leave();
      ask();
      return true;
    },
    release: () => {
      leave();
      released = true;
    },
    leave,
    start: () => startPermit(clock, permit),
  };
};
