/** An app as the runtime wants it: checked, complete, frozen, durations in ms. Nothing is parsed for a single task. */
import type { ScheduleSpec } from '../bus/queue.ts';
import type { Lane } from '../bus/subjects.ts';
import type { Backoff } from '../kernel/backoff.ts';
import type { Budget } from '../limiter/budget.ts';
import type { Embeddings } from '../llm/embedding-entry.ts';
import type { Models } from '../llm/models.ts';
import type { ClassifyRule } from '../task/classify.ts';
import type { BatchHandler } from './batch-types.ts';
import type { Schema } from './schema.ts';
import type { Task } from './task.ts';

/** Every name that something may refer to, right or wrong otherwise: so one mistake is told once. */
export interface Names {
  readonly pools: readonly string[];
  readonly tasks: readonly string[];
  readonly budgets: readonly string[];
}

export interface ResolvedLane {
  readonly weight: number;
  readonly reserve: number;
}

export interface ResolvedPool {
  readonly name: string;
  readonly lanes: Readonly<Record<Lane, ResolvedLane>>;
  readonly workers: { readonly min: number; readonly max: number };
  /** The tasks it takes; `undefined` for any. */
  readonly serves: ReadonlySet<string> | undefined;
  readonly queue: { readonly max: number };
}

export interface ResolvedRetry extends Backoff {
  readonly max: number;
}

/** What a task's own policy says about one input. */
export interface Choice {
  readonly pool: string;
  readonly lane: Lane;
  readonly id?: string;
  readonly key?: string;
  readonly tenant?: string;
  readonly title?: string;
}

export type Handler = NonNullable<Task['handler']>;

export interface ResolvedBatch {
  readonly size: number;
  readonly waitMs: number;
  readonly handler: BatchHandler;
}

export interface ResolvedTask {
  readonly name: string;
  readonly input: Schema;
  readonly output: Schema | undefined;
  readonly progress: Schema | undefined;
  readonly pool: string;
  readonly retry: ResolvedRetry;
  readonly timeoutMs: number;
  readonly deadlineMs: number | undefined;
  /** Of which each start needs a permit. */
  readonly budget: string | undefined;
  /** Of these two one is there. */
  readonly handler: Handler | undefined;
  readonly batch: ResolvedBatch | undefined;
  /** Of a parsed input. Throws InvalidInputError where a function of the policy throws, or gives no string. */
  choose(input: unknown): Choice;
}

export interface ResolvedSchedule {
  readonly name: string;
  readonly task: string;
  readonly when: ScheduleSpec;
  readonly input: unknown;
  readonly overlap: 'skip' | 'allow';
}

export interface ResolvedApp {
  readonly version: string | undefined;
  /** `default` among them. */
  readonly pools: ReadonlyMap<string, ResolvedPool>;
  readonly tasks: ReadonlyMap<string, ResolvedTask>;
  readonly schedules: readonly ResolvedSchedule[];
  readonly rules: readonly ClassifyRule[];
  readonly budgets: ReadonlyMap<string, Budget>;
  readonly models: Models;
  readonly embeddings: Embeddings;
  readonly deps: (signal: AbortSignal) => Promise<unknown>;
}
