import type { ToolSet } from 'ai';
import type { Duration } from '../kernel/duration.ts';
import type { Deps } from './register.ts';
import type { In, Jsonified, Schema } from './schema.ts';
import type { Contract, SubmitOptions } from './submit.ts';
import type { Retry } from './retry.ts';

/** Lines go to the node's log with the task's type, id and attempt. */
export type Log = Readonly<
  Record<'debug' | 'info' | 'warn' | 'error', (fields: object | string, message?: string) => void>
>;

/** A cache in the memory of the process: shared by its tasks, lost with it, bounded. Never a place for results. */
export interface Local {
  /** The value under `key`, loaded once however many ask at the same time. A load that fails is not kept. */
  wrap<T>(key: string, load: () => Promise<T>, ttl?: Duration): Promise<T>;
  get(key: string): unknown;
  /** Kept for `ttl`, or until room is needed. */
  set(key: string, value: unknown, ttl?: Duration): void;
}

/** What every handler is given. */
export interface BaseCtx {
  /** The task's id, unique within its type. */
  readonly id: string;
  /** 1 for the first attempt. */
  readonly attempt: number;
  readonly tenant?: string;
  readonly key?: string;
  /** When the task's whole time is over, if it has a deadline. */
  readonly deadline?: Date;
  /** When attempt 1 began: the same on every attempt, so stable in prompts. */
  readonly startedAt: Date;
  /** Aborts at a cancellation, the attempt's timeout, the deadline, a drain, and when another attempt took the task over. */
  readonly abortSignal: AbortSignal;
  /** What the app's `deps` made. */
  readonly deps: Deps;
  readonly log: Log;
  readonly local: Local;
}

/** What a step is given. */
export interface StepInput {
  /** The same on every attempt: hand it to whatever must not act twice. */
  readonly idempotencyKey: string;
  /** The task's, and the step's own timeout. */
  readonly abortSignal: AbortSignal;
}

/** How one step runs. */
export interface StepOptions {
  /** Tells steps of one name apart: needed in loops and in parallel. */
  readonly key?: string | number;
  /** Of one try of the step; by default only the task's `timeout` bounds it. */
  readonly timeout?: Duration;
  /** Tries within the attempt; by default one, and the task is what is retried. */
  readonly retry?: Retry;
}

/** What a handler that does work of its own is given. */
export interface WorkCtx<P extends Schema = Schema> extends BaseCtx {
  /**
   * Runs `fn` once per name and key and records its result; later attempts are given the record. The value comes back
   * as JSON keeps it, on the first attempt too. The same name and key twice in one task is AmbiguousStepError. What
   * `fn` throws is thrown on, and nothing is recorded. Throws FencedError where another attempt holds the task by now.
   */
  step<T>(name: string, fn: (step: StepInput) => T | Promise<T>, options?: StepOptions): Promise<Jsonified<T>>;
  /**
   * AI SDK tools whose executions are steps, named `tool:<name>` with the call's id as their key: a later attempt gives
   * the model what was recorded, and a tool runs anew only if it had not come to its end. `execute` is given the task's
   * signal too, and in its options an `idempotencyKey` that is the same on every attempt. What a tool throws is not
   * recorded. Of one that streams only the last value is seen. Tools without `execute` are left as they are.
   */
  tools<T extends ToolSet>(tools: T): T;
  /** Shown to whoever follows the run. Not recorded: the last one may be lost with the process. */
  progress(value: In<P>): void;
  /**
   * Submits another task, once: a later attempt submits nothing anew. Throws InvalidInputError, IdConflictError,
   * OverloadedError.
   */
  submit<I extends Schema>(task: Contract<I>, input: In<I>, options?: SubmitOptions): Promise<{ readonly id: string }>;
}

/** The first argument of a task's handler. `P` is the schema of its `progress`. */
export type TaskCtx<P extends Schema = Schema> = WorkCtx<P>;
