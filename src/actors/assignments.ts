/** What each worker of a pool has. Outlives a crash of the puller: the workers go on. */
import type { Metrics } from '../kernel/metrics.ts';
import type { Arrival } from './lane-pulls.ts';
import type { WorkerRef } from './worker.ts';

export interface AssignmentsOptions {
  readonly pool: string;
  readonly workers: ReadonlyMap<string, WorkerRef>;
  readonly metrics: Metrics;
}

export interface Assignments {
  size(): number;
  values(): Iterable<Arrival>;
  /** To a worker that is idle. */
  give(worker: string, arrival: Arrival): void;
  /** Whether the worker had something. */
  end(worker: string): boolean;
}

export const assignments = ({ pool, workers, metrics }: AssignmentsOptions): Assignments => {
  const busy = metrics.poolBusy.labels(pool);
  const assigned = new Map<string, Arrival>();

  return {
    size: () => assigned.size,
    values: () => assigned.values(),
    give: (name, arrival) => {
      const { lane, delivery, recordKey, permit } = arrival;
      lane.running += 1;
      assigned.set(name, arrival);
      busy.set(assigned.size);
      // One that stopped in this very moment: the delivery comes again after its ack wait, or at once by this nak.
      if (workers.get(name)?.send({ type: 'work', delivery, recordKey, permit })) return;
      permit?.end();
      delivery.nak();
    },
    end: (name) => {
      const before = assigned.get(name);
      if (before) before.lane.running -= 1;
      assigned.delete(name);
      busy.set(assigned.size);
      return before !== undefined;
    },
  };
};
