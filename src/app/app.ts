import type { Duration } from '../kernel/duration.ts';
import type { Config } from './config.ts';
import type { In, Schema } from './schema.ts';
import type { Contract } from './submit.ts';
import type { AnyTask } from './task.ts';

/** When, and with what, a task is submitted by itself. */
export interface ScheduleOptions<I extends Schema> {
  /** Unique in the app: 1 to 64 of `A-Z a-z 0-9 _ -`. */
  readonly name: string;
  /**
   * Five fields (minute, hour, day of month, month, day of week), six with seconds before them, `@hourly`, `@daily`,
   * `@weekly`, `@monthly`, `@yearly`; or a period of at least 1s.
   */
  readonly cron: string | { readonly every: Duration };
  /** An IANA name such as `Europe/Berlin`, for cron only; UTC. */
  readonly timezone?: string;
  readonly input: In<I>;
  /** What to do while the run before has not ended: `'skip'`. */
  readonly overlap?: 'skip' | 'allow';
}

/** A task that is submitted by itself: made by `schedule`, listed in `defineApp`. */
export interface Schedule {
  readonly name: string;
  /** The task's name. */
  readonly task: string;
  readonly cron: string | { readonly every: Duration };
  readonly timezone?: string;
  readonly input: unknown;
  readonly overlap?: 'skip' | 'allow';
}

/**
 * Submits `task` again and again, each firing a run of its own with an id of its own. Cron, timezone and input are
 * checked when the app boots.
 */
export const schedule = <I extends Schema>(task: Contract<I>, options: ScheduleOptions<I>): Schedule =>
  Object.freeze({ ...options, task: task.name });

/** What runs, and what it may use: the default export of an app's module. */
export interface App<T extends AnyTask = AnyTask> {
  readonly tasks: readonly T[];
  readonly schedules: readonly Schedule[];
  readonly config: Config;
}

/** What `defineApp` takes: a config, and what runs under it. */
export interface AppSpec<T extends AnyTask, B extends string, D> extends Config<B, D> {
  /** With their handlers. Names are unique. */
  readonly tasks?: readonly T[];
  readonly schedules?: readonly Schedule[];
  /** Empty: agents have an issue of their own. */
  readonly agents?: readonly never[];
}

/**
 * Puts an app together. Nothing is checked here: `createClient({ app })`, `testRuntime(app)` and the node report
 * every mistake at once, as a ConfigurationError.
 */
export const defineApp = <const B extends string, D, T extends AnyTask = never>(app: AppSpec<T, B, D>): App<T> => {
  const { tasks = [], schedules = [], ...config } = app;
  return Object.freeze({ tasks, schedules, config });
};
