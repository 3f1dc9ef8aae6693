import type { App } from '../app/app.ts';
import type { In, Jsonified, Out, Schema } from '../app/schema.ts';
import type { Chunk } from '../app/stream-types.ts';
import type { Contract, SubmitOptions } from '../app/submit.ts';
import type { AnyTask, Task } from '../app/task.ts';
import type { Lane } from '../bus/subjects.ts';
import type { Duration } from '../kernel/duration.ts';

/**
 * Where a task is in its life. The last four are final: `failed` was rejected by its own handler, `dead` has a dead
 * letter, for it failed as often as it may, ran out of time, or took its worker down each time.
 */
export type Status = 'queued' | 'running' | 'waiting' | 'completed' | 'failed' | 'cancelled' | 'dead';

/** A task as it is now. */
export interface TaskState<O = unknown> {
  readonly id: string;
  /** The task's name. */
  readonly type: string;
  readonly status: Status;
  /** 0 before the first. */
  readonly attempt: number;
  readonly pool: string;
  readonly lane: Lane;
  /** What holds a task that is not running and has not ended. */
  readonly waitingFor?: {
    /**
     * `inbox` (no pool has it yet), `lane` (others are before it), `no_worker` (nobody pulls from its pool), `due` (its
     * time has not come), `retry` (it failed before), `budget` (there was no permit for its start).
     */
    readonly reason: string;
    /** For people. */
    readonly detail: string;
    readonly until?: Date;
  };
  /** Of a completed task that has one. */
  readonly output?: O;
  /** Of a task that has failed, last time or for good. */
  readonly error?: { readonly code: string; readonly message: string };
  /** What its calls of models used so far, over all attempts; $ by the prices in the config. */
  readonly usage: { readonly inputTokens: number; readonly outputTokens: number; readonly usd: number };
}

/** Where to begin, and when to stop, following. */
export interface Follow {
  /** The least number wanted; 0. One more than the last seen goes on from there, for 20 minutes after an event. */
  readonly from?: number;
  /** Ends the iteration, without an error. */
  readonly abortSignal?: AbortSignal;
}

/**
 * Something that happened to a run. `n` never goes back. What the run shows (`step`, `progress`, `chunk`) has numbers of its
 * own, with gaps between them; `queued`, `started` and `retrying` repeat the number before theirs; the end has the
 * highest, and is told whatever number following began with. Of attempts that came and went between two looks, only
 * the last is told.
 */
export type RunEvent<O = unknown, P = unknown> = {
  readonly n: number;
  readonly at: Date;
  readonly attempt: number;
} & (
  | { readonly type: 'queued' | 'started' | 'cancelled' }
  /** `replayed`: it was recorded by an earlier attempt and not run again. */
  | {
      readonly type: 'step';
      readonly name: string;
      readonly key?: string;
      readonly ms: number;
      readonly replayed: boolean;
    }
  | { readonly type: 'progress'; readonly value: P }
  /** Of `ctx.stream`. */
  | { readonly type: 'chunk'; readonly chunk: Chunk }
  | { readonly type: 'retrying'; readonly code: string; readonly error: string; readonly delayMs: number }
  | { readonly type: 'completed'; readonly output: O }
  /** Rejected or dead. */
  | { readonly type: 'failed'; readonly code: string; readonly error: string }
);

/** Which tasks' events are wanted; those of all by default. */
export interface EventFilter {
  readonly type?: string;
  readonly tenant?: string;
  /** Ends the iteration, without an error. */
  readonly abortSignal?: AbortSignal;
}

/** What happened to a task, of whichever type. */
export type ClientEvent = { readonly task: string; readonly id: string } & RunEvent;

/** One task, submitted. */
export interface Run<O extends Schema = Schema, P extends Schema = Schema> {
  readonly id: string;
  /** The task's name. */
  readonly type: string;
  /** The id was known: this is the earlier run, with the same input. */
  readonly duplicate: boolean;
  /**
   * The output, as JSON keeps it. Throws TaskFailedError (with the last error's message), TaskCancelledError,
   * NotFoundError, or, after `timeout`, DeadlineExceededError: the task goes on, only the waiting ends. Rejects with
   * the signal's reason when `abortSignal` aborts. Without `timeout` it waits as long as the task lives.
   */
  result(options?: { readonly timeout?: Duration; readonly abortSignal?: AbortSignal }): Promise<Jsonified<Out<O>>>;
  /** Throws NotFoundError where nothing is known of the id. */
  status(): Promise<TaskState<Jsonified<Out<O>>>>;
  /**
   * What happened, and what happens, until the run ends. Rides through outages, as `result` does: while nobody answers it
   * waits, and then goes on behind the last event. Throws NotFoundError where nothing is known of the id, and
   * OverloadedError while 10,000 others follow runs.
   */
  events(options?: Follow): AsyncIterable<RunEvent<Jsonified<Out<O>>, Jsonified<Out<P>>>>;
  /**
   * What `ctx.stream` shows, for `createUIMessageStreamResponse` and `useChat`, until the run ends. A step of the message
   * that a failed attempt broke off begins anew; those before it are not shown twice. A run that fails ends with an
   * `error` chunk that tells its code, a cancelled one with `abort`.
   */
  uiMessageStream(options?: Follow): ReadableStream<Chunk>;
  /** Ends the run as `cancelled`, wherever it is; a running handler's `abortSignal` aborts. Nothing for one that ended. */
  cancel(reason?: string): Promise<void>;
  /**
   * Submits a dead task anew, from its dead letter, as a run of its own that is given the recorded steps, but for those
   * named in `forget`, by `<name>` or `<name>:<key>`. Asking again answers the same new id. Throws NotFoundError for a run
   * that is not dead, InvalidInputError where its input can never run or none of its steps is named so, IdConflictError while the redrive of an earlier task
   * of this id is remembered.
   */
  retry(options?: { readonly forget?: readonly string[] }): Promise<{ readonly id: string }>;
}

/** How many tasks of a group are where. */
export type Counts = Readonly<Record<Status, number>>;

/** Tasks that were submitted with the same `group`. */
export interface Group {
  counts(): Promise<Counts>;
  /** Resolves when all that were submitted have ended; after `timeout` it throws DeadlineExceededError. */
  done(options?: { readonly timeout?: Duration }): Promise<Counts>;
  /** Cancels what has not ended, and answers how many that were. */
  cancel(): Promise<number>;
}

/** What became of many submits. */
export interface Submitted {
  /** Stored, and new. */
  readonly accepted: number;
  /** Known already, by id. */
  readonly duplicates: number;
  /** `index` is the item's place, from 0; `code` that of the error that `submit` would have thrown. */
  readonly refused: readonly { readonly index: number; readonly code: string; readonly error: string }[];
}

/** An item of `submitMany`. */
export type Item<I extends Schema> = SubmitOptions & { readonly input: In<I> };

type Items<T> = Iterable<T> | AsyncIterable<T>;

type Tasks<A> = A extends App<infer T> ? T : never;
/** A task itself, or the one of that name; any task where the app's type is not known. */
type Named<All extends AnyTask, T> = T extends string
  ? string extends All['name']
    ? All
    : Extract<All, { readonly name: T }>
  : T;
// Only the schemas of a task matter here; the rest is `any`, as in AnyTask.
// oxlint-disable-next-line typescript/no-explicit-any
type InputOf<T> = T extends Task<string, infer I, any, any> ? In<I> : never;

/** The run of a task: `RunOf<typeof summarise>`. */
// oxlint-disable-next-line typescript/no-explicit-any
export type RunOf<T> = T extends Task<string, any, infer O, infer P> ? Run<O, P> : never;

/**
 * What producers hold. `A` is the app's type: with it, tasks go by name too, and typed. A client may be used by any
 * number of callers at the same time.
 */
export interface Client<A = App> {
  /**
   * Submits one task: it is stored when the promise resolves. Throws InvalidInputError (the input does not fit the
   * schema, or the options make no sense), UnknownTaskError, IdConflictError (the id is taken by another input),
   * OverloadedError (the queue is full, or the history too far behind; nothing was stored), PayloadTooLargeError (more than 256 KiB of JSON),
   * UnavailableError (no connection; nothing was stored), TimeoutError (unknown: submit again with the same id).
   */
  submit<T extends AnyTask | Tasks<A>['name']>(
    task: T,
    input: InputOf<Named<Tasks<A>, T>>,
    options?: SubmitOptions,
  ): Promise<RunOf<Named<Tasks<A>, T>>>;
  /** Submits many, as fast as the server takes them; a refused one does not stop the rest. */
  submitMany<I extends Schema>(task: Contract<I>, items: Items<Item<I>>): Promise<Submitted>;
  /** By its name. */
  submitMany<N extends Tasks<A>['name']>(
    task: N,
    items: Items<SubmitOptions & { readonly input: InputOf<Named<Tasks<A>, N>> }>,
  ): Promise<Submitted>;
  /** The run of an id, without asking the server: its methods do. `duplicate` is true. */
  run<T extends AnyTask | Tasks<A>['name']>(task: T, id: string): RunOf<Named<Tasks<A>, T>>;
  /**
   * What happens to all tasks, or to those of a type or tenant, from now on: what they show, and how they end. A hint:
   * it may miss events, and a reader that falls 10,000 behind does. `n` counts what this iteration was given, from 0.
   */
  events(filter?: EventFilter): AsyncIterable<ClientEvent>;
  /** A group by name, whether or not anything is in it yet. */
  group(name: string): Group;
  /** Waits for submits that were begun, ends what else goes on, then disconnects. Idempotent. */
  close(): Promise<void>;
}
