/** What is proved: a module that exports a `Contestant` as its default. */
import type { Bus } from '../src/bus/bus.ts';
import type { Queue } from '../src/bus/queue.ts';
import type { Clock } from '../src/kernel/clock.ts';
import type { Log } from '../src/kernel/log.ts';
import type { Random } from '../src/kernel/random.ts';
import type { Budget } from '../src/limiter/budget.ts';
import type { Permit, Wanted } from '../src/limiter/permits.ts';

export interface Parts {
  readonly bus: Bus;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly budget: Budget;
}

export interface Request {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal: AbortSignal;
}

/** A process that calls the provider. */
export interface Caller {
  acquire(wanted: Wanted): Promise<Permit>;
  /**
   * Sends the request on `first`, or on what `next` gets in its place if that comes too late for the wire, and settles.
   * Answers the status once the answer has been read. Rejects with what went wrong.
   */
  call(first: Permit, next: () => Promise<Permit>, request: Request): Promise<number>;
  /** Resolves when the limiter knows all that there is to know. */
  close(): Promise<void>;
}

export interface Contestant {
  /** Makes what all of them find on the server. */
  provision(parts: Pick<Parts, 'queue'>): Promise<void>;
  /** Stands by for the budget, under the name of `node`, until the process ends. Resolves when it is ready. */
  candidate(parts: Parts & { readonly node: string }): Promise<void>;
  caller(parts: Parts): Caller;
}

/** As `test/prove` and a module of one's own give it: by its URL. */
export const contestantFrom = async (url: string): Promise<Contestant> => {
  const loaded: { readonly default: Contestant } = await import(url);
  return loaded.default;
};
