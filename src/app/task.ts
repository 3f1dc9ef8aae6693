import type { Lane } from '../bus/subjects.ts';
import type { Duration } from '../kernel/duration.ts';
import type { Batch, BatchHandler, BatchOptions } from './batch-types.ts';
import type { TaskCtx } from './context-types.ts';
import type { BudgetName, PoolName } from './register.ts';
import type { Retry } from './retry.ts';
import type { In, None, Out, Schema } from './schema.ts';

/** How a task is named, queued, timed and retried. Functions are given the parsed input and must be quick and pure. */
export interface Policy<I> {
  /** `'default'`, which is always there. An unknown pool is a ConfigurationError at boot. */
  readonly pool?: PoolName;
  /** The same id is the same run. 1 to 512 bytes of any characters; made at random by default. */
  readonly id?: (input: I) => string;
  /** What the task is about, such as an account or a document; none. */
  readonly key?: (input: I) => string;
  /** On whose behalf; none. */
  readonly tenant?: (input: I) => string;
  /** `'normal'` */
  readonly lane?: Lane | ((input: I) => Lane);
  readonly retry?: Retry;
  /** Of one attempt; 10m. Past it the attempt has failed, and is tried again. */
  readonly timeout?: Duration;
  /** From submit, or from when it is due, to the end, all waiting included; none. Past it the task is dead. */
  readonly deadline?: Duration;
  /**
   * Each attempt starts under a permit of this budget, of one request and no tokens, and holds it to its end: a budget's
   * `concurrent` counts attempts that run. It is waited for in the queue, not in a worker: others run meanwhile, no
   * attempt counts, and `status()` says `budget`. `deadline` bounds the wait. Without it: none is needed. An unknown
   * budget, and one that counts neither requests nor `concurrent`, is a ConfigurationError at boot.
   */
  readonly budget?: BudgetName;
  /** What people are shown; the id. */
  readonly title?: (input: I) => string;
}

/** What `defineTask` takes. `run` here is short for calling `.run()` on the result. */
export interface TaskSpec<N extends string, I extends Schema, O extends Schema, P extends Schema, R>
  extends Policy<Out<I>> {
  /** Unique in the app, and the end of the subject `tasks.<name>`: 1 to 64 of `A-Z a-z 0-9 _ -`. */
  readonly name: N;
  readonly input: I;
  /** No `output`: no result. The result travels as JSON. */
  readonly output?: O;
  /** What `ctx.progress` takes; anything that JSON can hold. */
  readonly progress?: P;
  readonly run?: (ctx: TaskCtx<P>, input: Out<I>) => Promise<R>;
}

/** A task: a contract, and the handler if it has one by now. */
export interface Task<
  N extends string = string,
  I extends Schema = Schema,
  O extends Schema = Schema,
  P extends Schema = Schema,
> {
  readonly name: N;
  readonly input: I;
  readonly output?: O;
  readonly progress?: P;
  /** What it was defined with; checked and completed when an app boots. */
  readonly policy: Policy<never>;
  /** What a worker runs. Absent in a contract, and where there is a `batch`. */
  handler?(ctx: TaskCtx<P>, input: Out<I>): Promise<In<O>>;
  /** The same task with this handler, as a new value: list that one in `defineApp`. */
  run(handler: (ctx: TaskCtx<P>, input: Out<I>) => Promise<In<O>>): Task<N, I, O, P>;
  /** What a worker runs with many tasks at once. */
  readonly batch?: Batch<I, O>;
  /**
   * The same task, handled many at a time: for whatever costs as much for a hundred as for one. A call is given the
   * tasks of this process that run at that moment, at most `size`, so their pool needs `workers.min` of about `size`.
   * Each stays a task of its own: with its retries, its timeout (which counts the gathering), its result. One that is
   * neither completed nor failed when the handler ends, or throws, has failed, and is handled alone from then on.
   */
  runBatch(batch: BatchOptions, handler: BatchHandler<I, O>): Task<N, I, O, P>;
}

/** A task of any types: `any`, because a schema stands on both sides of its task's functions. */
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyTask = Task<string, any, any, any>;

type Json = string | number | boolean | null | undefined | Json[] | { [key: string]: Json };

/** Puts the error of a wrong result on `run`, where the result is made. */
type Returns<R, O> = [R] extends [In<O>] ? unknown : { readonly run?: (...args: never[]) => Promise<In<O>> };

/** What of a spec `defineTask` itself looks at. */
interface Definition extends Policy<never> {
  readonly name: string;
  readonly input: Schema;
  readonly output?: Schema;
  readonly progress?: Schema;
  readonly run?: Handler;
  readonly batch?: Batch;
}
type Handler = NonNullable<Task['handler']>;

/**
 * Defines a task. With `run` it is complete; without, it is the contract: what producers, recursive tasks and other
 * packages import, and what `.run(handler)` completes. Nothing is checked here: an app reports all its mistakes at
 * once, as a ConfigurationError, when it boots.
 */
export function defineTask<
  const N extends string,
  I extends Schema,
  O extends Schema = None,
  P extends Schema = Schema,
  R extends Json | object | void = void,
>(spec: TaskSpec<N, I, O, P, R> & Returns<R, O>): Task<N, I, O, P>;
export function defineTask(definition: Definition): Task {
  return completed(definition);
}

const completed = ({ run, batch, ...contract }: Definition): Task => {
  const { name, input, output, progress, ...policy } = contract;
  return Object.freeze({
    name,
    input,
    ...(output && { output }),
    ...(progress && { progress }),
    policy: Object.freeze(policy),
    ...(run && { handler: run }),
    ...(batch && { batch }),
    run: (handler: Handler) => completed({ ...contract, run: handler }),
    runBatch: (options: BatchOptions, handler: BatchHandler) =>
      completed({ ...contract, batch: Object.freeze({ ...options, handler }) }),
  });
};
