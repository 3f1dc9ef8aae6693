import type { EmbeddingModel, LanguageModel } from 'ai';
import type { Lane } from '../bus/subjects.ts';
import type { Duration } from '../kernel/duration.ts';
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
    /**
     * What each node runs: 0 or more; 1, or `max` where that is less. There is no autoscaler yet: no node runs more than
     * this, whatever waits, and none fewer than 1. Give it what one node is to run.
     */
    readonly min?: number;
    /**
     * 1 to 100,000; 10, or `min` where that is more. Nothing holds more nodes to it yet, and nothing grows to it: it is
     * what lanes `reserve` parts of. Give it `min` times the nodes.
     */
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

/** No more than `limit` in any window of this length, wherever it begins. */
export interface Rate {
  /** More than 0. */
  readonly limit: number;
  /** 1s to 1d. */
  readonly per: Duration;
}

/**
 * What a provider allows. All of it holds at the same time, over all nodes; it says one thing at least. Several rates of
 * one unit are as many windows.
 */
export interface Budget {
  readonly requests?: Rate | readonly Rate[];
  /** Input and output together. */
  readonly tokens?: Rate | readonly Rate[];
  readonly inputTokens?: Rate | readonly Rate[];
  readonly outputTokens?: Rate | readonly Rate[];
  /** Calls at once; any number. */
  readonly concurrent?: number;
}

/** One way to reach a model. `M` is what a provider's package makes, `B` the app's budgets. */
export interface Entry<M = LanguageModel, B extends string = string> {
  /** The provider's model object, such as `openai('gpt-5-mini')`; never its name alone. */
  readonly model: Exclude<M, string>;
  /** What its calls are counted by. Several must all have room, such as an organisation's and a model's. */
  readonly budget: B | readonly B[];
  /** $ per 1,000,000 tokens; without it calls cost nothing. `output` is 0, `cachedInput` as `input`. */
  readonly price?: { readonly input: number; readonly output?: number; readonly cachedInput?: number };
  /** How long an answer may be given again to an equal call; `false`, which is never. */
  readonly cache?: Duration | false;
}

/**
 * What an operator owns. Everything has a default. `B` are the names of its budgets, `D` is what handlers find in
 * `ctx.deps`.
 */
export interface Config<B extends string = string, D = unknown> {
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
  /** By name: 1 to 64 of `A-Z a-z 0-9 _ -`. */
  readonly budgets?: Readonly<Record<B, Budget>>;
  /**
   * By the name that `ctx.model` takes: the ways to reach it, the first that has room before the others. What one cannot
   * answer, the next is asked.
   */
  readonly models?: Readonly<Record<string, readonly Entry<LanguageModel, NoInfer<B>>[]>>;
  /** By the name that `ctx.embedding` takes. The entries of one name give the same embeddings: only the way differs. */
  readonly embeddings?: Readonly<Record<string, readonly Entry<EmbeddingModel, NoInfer<B>>[]>>;
}

/** The config itself, with its names kept for `Register` and for completion. Checked when an app boots. */
export const defineConfig = <const B extends string, D, const C extends Config<B, D>>(config: C & Config<B, D>): C =>
  config;
