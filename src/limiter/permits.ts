/** What a task's process asks the limiter for, and what it is given. */
import type { Lane } from '../bus/subjects.ts';
import type { Timer } from '../kernel/clock.ts';
import type { Amount } from './budget.ts';
import type { PermitId } from './permit-id.ts';

export interface Wanted {
  /** At most so much will be used: `requests` and the estimate of tokens. */
  readonly amount: Amount;
  readonly lane: Lane;
  /** Of one tenant after the other. */
  readonly tenant: string;
  /** How long to wait for the permit at most, in ms. */
  readonly maxWaitMs: number;
  /** How long it has waited before: its place in the queue is by that, too. 0. */
  readonly waitedMs?: number;
  /** How long the call may take once it has been sent, in ms: its own timeout. */
  readonly holdMs: number;
  /** The record keys of those it is for, who can be asked why they wait; nobody's. It does not travel. */
  readonly tasks?: readonly string[];
  /** Aborting gives up waiting. */
  readonly signal: AbortSignal;
}

/**
 * The right to send one request, soon. It is counted by the limiter until it is known when the request left; so each
 * permit ends with `unsent`, or with `sent` and then `settle`. Further calls of either are ignored.
 */
export interface Permit {
  readonly id: PermitId;
  readonly budget: string;
  /** How long it took to get, in ms. */
  readonly waitedMs: number;
  /** Whether the request may leave at this moment. Asked right before its first byte is written. */
  inTime(): boolean;
  /**
   * Its call has begun, by a transport that may be one of which nobody sees what it writes: it counts as sent at the end
   * of its time. Until then a request that is seen may still leave by it, and says `sent` itself.
   */
  begun(): void;
  /** Calls back when its time is over, unless that is cancelled: for who waits for something else meanwhile. */
  whenOver(then: () => void): Timer;
  /** The request has been written; the permit notes whether that was in time. */
  sent(): void;
  /** The first byte of an answer is here, so the request has arrived. */
  heard(): void;
  /** Nothing that is seen has left, and nothing will. Of one that has begun nobody knows: it counts as sent. */
  unsent(): void;
  /** The call is over. `actual`: what it used, where that is known; else the estimate stands. */
  settle(actual?: Amount): void;
}

/** A wait for a permit that goes on. */
export interface PermitWait {
  readonly budget: string;
  readonly waitedMs: number;
  /** In plain words. */
  readonly why: string;
}

export interface Permits {
  /**
   * Waits for a permit. Throws LimiterTimeoutError when `maxWaitMs` is over, NonRetryableError for an amount that the
   * budget never allows, NotFoundError for a budget that there is not, and the signal's reason.
   */
  acquire(budget: string, wanted: Wanted): Promise<Permit>;
  /** The provider has refused: nobody asks it for so long. */
  penalize(budget: string, retryAfterMs: number, why: string): void;
  /** How long a permit took to get of late, in ms: what routing goes by. 0 where nobody waits, or nobody knows. */
  waitMs(budget: string): number;
  /** What this task waits for here. */
  waitsOf(recordKey: string): readonly PermitWait[];
}
