import type { Duration } from '../kernel/duration.ts';
import type { BaseCtx } from './context-types.ts';
import type { In, Out, Schema } from './schema.ts';

/** When enough tasks are there to begin. */
export interface BatchOptions {
  /** At most so many tasks in one call of the handler: 1 to 1,000. More than its pool has workers on a node is warned of at boot. */
  readonly size: number;
  /** How long the first of a batch waits for others: 0 to 10s; 50ms. */
  readonly wait?: Duration;
}

/** One task of a batch. What is said first of it counts: `complete` or `fail`, once. */
export interface BatchItem<I extends Schema = Schema, O extends Schema = Schema> {
  /** The task's id, unique within its type. */
  readonly id: string;
  readonly input: Out<I>;
  /** 1 for the first attempt. */
  readonly attempt: number;
  readonly tenant?: string;
  /** The task is done, and recorded at once: it waits for no other. An output that its schema refuses is a failure. */
  complete(output: In<O>): void;
  /** The task has failed, as if a handler of its own had thrown `error`: it is tried again, or not. */
  fail(error: unknown): void;
}

/** Handles many tasks at once. The context is that of the batch: its `id` is that of the first task. */
export type BatchHandler<I extends Schema = Schema, O extends Schema = Schema> = (
  ctx: BaseCtx,
  items: readonly BatchItem<I, O>[],
) => Promise<void>;

/** What `runBatch` was given; checked and completed when an app boots. */
export interface Batch<I extends Schema = Schema, O extends Schema = Schema> extends BatchOptions {
  handler(ctx: BaseCtx, items: readonly BatchItem<I, O>[]): Promise<void>;
}
