// What there is to do: tasks, and when they run.
export { type App, type AppSpec, defineApp, type Schedule, type ScheduleOptions, schedule } from './app/app.ts';
export { type AnyTask, defineTask, type Policy, type Task, type TaskSpec } from './app/task.ts';
export type { Batch, BatchHandler, BatchItem, BatchOptions } from './app/batch-types.ts';
export type { Retry } from './app/retry.ts';

// What a handler is given.
export type {
  BaseCtx,
  CallOptions,
  Local,
  Log,
  PermitOptions,
  StepInput,
  StepOptions,
  TaskCtx,
  WorkCtx,
} from './app/context-types.ts';

// What an operator owns.
export {
  type Budget,
  type Config,
  defineConfig,
  type Entry,
  type LaneShare,
  type Pool,
  type Rate,
} from './app/config.ts';
export type { ClassifyRule, Incoming } from './task/classify.ts';

// What a provider's requests go through, so that permits are checked where they leave.
export { modelFetch } from './llm/model-fetch.ts';

// The words of the signatures above and below.
export type { BudgetName, Deps, EmbeddingName, ModelName, PoolName, Register } from './app/register.ts';
export type { In, Jsonified, None, Out, Schema } from './app/schema.ts';
export type { Contract, SubmitOptions } from './app/submit.ts';
export type { Lane } from './bus/subjects.ts';
export type { Duration } from './kernel/duration.ts';

// What a producer holds.
export { type ClientSettings, createClient, type NatsCredentials } from './connect.ts';
export type {
  Client,
  ClientEvent,
  Counts,
  EventFilter,
  Follow,
  Group,
  Item,
  Run,
  RunEvent,
  RunOf,
  Status,
  Submitted,
  TaskState,
} from './client/types.ts';

// An app under test: the same runtime in memory, on a clock that waits to be told.
export { type TestOptions, type TestRuntime, testRuntime } from './testing/runtime.ts';

// Errors: `code` is the stable name; `isTroupeError` works across threads and package copies.
export { InvalidDurationError } from './kernel/duration.ts';
export {
  AmbiguousStepError,
  ConfigurationError,
  DeadlineExceededError,
  FencedError,
  IdConflictError,
  InvalidInputError,
  InvalidNameError,
  type Issue,
  isTroupeError,
  LimiterTimeoutError,
  ModelUnavailableError,
  NonRetryableError,
  NotFoundError,
  OverloadedError,
  PayloadTooLargeError,
  RetryAfterError,
  TaskCancelledError,
  TaskFailedError,
  TimeoutError,
  TroupeError,
  UnavailableError,
  UnknownTaskError,
} from './kernel/errors.ts';
