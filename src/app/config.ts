import type { Lane } from '../bus/subjects.ts';
import type { ClassifyRule } from '../task/classify.ts';

/** How much of a pool's workers a lane is given. */
export interface LaneShare {
  /** Its share while all lanes have work: 1 to 1,000; high 8, normal 4, low 1. */
  readonly weight?: number;
  /** Workers that only this lane may use; 0. All lanes together reserve fewer than `workers.max`. */
  readonly reserve?: number;
}

/** A queue with workers of its own. */
export interface Pool {
  /** How work reaches workers; `'pull'`: idle workers fetch it. */
  readonly distribution?: 'pull';
  /** Tasks at once, over all nodes. */
  readonly workers?: {
    /** What each node runs: 0 or more; 1, or `max` where that is less. 0 counts as 1 as long as nothing wakes a pool that sleeps. */
    readonly min?: number;
    /** 1 to 100,000; 10, or `min` where that is more. */
    readonly max?: number;
  };
  readonly lanes?: { readonly [L in Lane]?: LaneShare };
  /** Names of the tasks it takes; any. Another one that is routed here is refused with InvalidInputError. */
  readonly serves?: readonly string[];
  readonly queue?: {
    /** Tasks that wait, or are in workers' hands; 1,000,000. Past it, submitting is OverloadedError. */
    readonly max?: number;
  };
}

/** What an operator owns. Everything has a default. `D` is what handlers find in `ctx.deps`. */
export interface Config<D = unknown> {
  /** By name: 1 to 64 of `A-Z a-z 0-9 _ -`. A pool `default` is always there. */
  readonly pools?: Readonly<Record<string, Pool>>;
  /**
   * Looked at in order for each task that arrives; the first that matches and names a pool, or a lane, decides it. After
   * that choose the submit options, then the task's own policy. Rules must be quick and pure.
   */
  readonly classify?: readonly ClassifyRule[];
  /**
   * Makes what handlers share (database pools, clients): once a process, before its first task. `signal` aborts when
   * the process ends. If it rejects, the node does not start.
   */
  readonly deps?: (signal: AbortSignal) => D | Promise<D>;
  /** Of the app, for people; none. */
  readonly version?: string;
  /** Empty: budgets come with the limiter. */
  readonly budgets?: Readonly<Record<string, never>>;
  /** Empty: models come with the limiter. */
  readonly models?: Readonly<Record<string, never>>;
}

/** The config itself, with its names kept for `Register` and for completion. Checked when an app boots. */
export const defineConfig = <D, const C extends Config<D>>(config: C & Config<D>): C => config;
