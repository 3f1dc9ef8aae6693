import type { EmbeddingModelV4, LanguageModelV4 } from '@ai-sdk/provider';
import type { ToolSet } from 'ai';
import type { Duration } from '../kernel/duration.ts';
import type { BudgetName, Deps, EmbeddingName, ModelName } from './register.ts';
import type { In, Jsonified, Schema } from './schema.ts';
import type { StreamSource } from './stream-types.ts';
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
  /**
   * A model of the AI SDK, for `generateText`, `streamText` and the like. Its calls are routed, limited and metered, and
   * recorded like steps: a later attempt is given the answer, and pays nothing. Providers are retried by Troupe alone,
   * whatever `maxRetries` says. Throws NonRetryableError for a name that the app does not have; a call throws
   * ModelUnavailableError, RetryAfterError, LimiterTimeoutError, DeadlineExceededError, PayloadTooLargeError (an answer of
   * more than 4 MiB), and NonRetryableError for what a provider refuses for good.
   */
  model(name: ModelName, options?: CallOptions): LanguageModelV4;
  /**
   * The same for `embed` and `embedMany`. Requests of one moment, of however many tasks, share the provider's calls as
   * far as they are of one tenant and lane.
   */
  embedding(name: EmbeddingName, options?: CallOptions): EmbeddingModelV4;
  /**
   * Runs `call` under a permit of a budget: for any API that has a limit. The permit is checked right before `call`
   * begins, so `call` must send its one request at once; through `modelFetch` it is checked at the wire as well. What
   * `call` sends any other way nobody sees, so its request counts, whether or not it fails. Throws LimiterTimeoutError,
   * DeadlineExceededError, NonRetryableError for a budget that there is not, or for more than it ever allows, and what
   * `call` throws.
   */
  permit<T>(budget: BudgetName, call: () => Promise<T>, options?: PermitOptions): Promise<T>;
}

/** How calls of a model are made. */
export interface CallOptions {
  /** For how long an answer may be given again to an equal call; by default what the model's entry says. */
  readonly cache?: Duration | false;
  /** For permits, in all; by default until the task's deadline. Then LimiterTimeoutError. */
  readonly maxWait?: Duration;
  /** Of one provider's call, from its permit on; 10m. */
  readonly timeout?: Duration;
}

/** How a call is counted. */
export interface PermitOptions {
  /** At most so many, counted as input; 0. */
  readonly tokens?: number;
  /** By default until the task's deadline. Then LimiterTimeoutError. */
  readonly maxWait?: Duration;
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
   * Shows what a model says, as it is being said, to whoever follows the run: `run.events()` and
   * `run.uiMessageStream()`. Nothing else a model says leaves the task. Resolves when all has been said; rejects with
   * what broke it off, so that the task is tried again, and followers see that message anew.
   */
  stream(source: StreamSource): Promise<void>;
  /**
   * Submits another task, once: a later attempt submits nothing anew. Throws InvalidInputError, IdConflictError,
   * OverloadedError.
   */
  submit<I extends Schema>(task: Contract<I>, input: In<I>, options?: SubmitOptions): Promise<{ readonly id: string }>;
}

/** The first argument of a task's handler. `P` is the schema of its `progress`. */
export type TaskCtx<P extends Schema = Schema> = WorkCtx<P>;
