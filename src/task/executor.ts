/** What the runtime needs of an app: how to run a task, and for how long. */
import type { Backoff } from '../kernel/backoff.ts';
import type { Journal } from './journal.ts';
import type { Task } from './message.ts';
import type { DeadReason, Failure, Json, Usage } from './record.ts';

type End =
  | { readonly type: 'completed'; readonly result: Json | undefined }
  /** Worth another attempt: after `retryAfterMs`, or by the task's backoff. `forget`: steps to make anew. */
  | {
      readonly type: 'failed';
      readonly error: Failure;
      readonly retryAfterMs?: number;
      /** By the backoff, but not sooner. */
      readonly notBeforeMs?: number;
      /** Nothing was tried: it does not count. */
      readonly untried?: boolean;
      readonly forget?: readonly string[];
      /** Every later attempt goes by itself, where it would share a batch. */
      readonly alone?: boolean;
    }
  /** Never worth another: its own handler said so. */
  | { readonly type: 'rejected'; readonly error: Failure }
  /** Never worth another: the task is not what its type takes. A dead letter follows. */
  | { readonly type: 'refused'; readonly reason: DeadReason; readonly error: Failure };

/** How an attempt's handler ended. */
export type Outcome = End & {
  /** What it has cost that no recorded step tells. */
  readonly usage?: Usage;
};

/** One attempt, as the app sees it. */
export interface Attempt {
  readonly task: Task;
  readonly input: Json;
  /** Counts from 1. */
  readonly number: number;
  /** Of attempt 1; epoch ms. */
  readonly startedAt: number;
  /** Not to be handled together with others: it may be what broke them. */
  readonly alone: boolean;
  readonly journal: Journal;
  /** Aborts with the reason: cancel, timeout, deadline, drain, lost claim. */
  readonly signal: AbortSignal;
  /** Shows something to whoever follows the run. Answers `false` for what is more than one message takes: it is left out. */
  emit(event: { readonly type: string } & { readonly [name: string]: unknown }): boolean;
}

export interface Runnable {
  /** Of one attempt. */
  readonly timeoutMs: number;
  readonly retry: Backoff & { readonly max: number };
  /** Never rejects. */
  run(attempt: Attempt): Promise<Outcome>;
}

export interface Executor {
  /** `undefined` for a type that this app does not know. */
  task(type: string): Runnable | undefined;
}
