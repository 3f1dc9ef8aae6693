/** What the life of a task needs of the world. */
import type { Blobs } from '../bus/blobs.ts';
import type { Bus } from '../bus/bus.ts';
import type { Queue } from '../bus/queue.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Random } from '../kernel/random.ts';
import type { Bucket } from '../kv/kv.ts';
import type { Store } from '../store/store.ts';

export interface TaskPorts {
  readonly bus: Bus;
  readonly queue: Queue;
  readonly blobs: Blobs;
  /** The bucket `tasks`. */
  readonly records: Bucket;
  /** Answers when KV has forgotten. */
  readonly history: Pick<Store, 'task'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly region: string;
  /** How long a record stays in KV once it is terminal, in ms; 1 h, longer while the projection is behind. */
  readonly recordLifeMs: () => number;
  /** The shortest that `recordLifeMs` has been: what ended longer ago may be forgotten. */
  readonly shortestLifeMs: number;
}
