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
  // A worker that has nothing keeps its entry: a Map that much leaves is costly (see `numbered`).
  const assigned = new Map<string, Arrival | undefined>();
  let size = 0;

  return {
    size: () => size,
    values: () => [...assigned.values()].filter((arrival) => arrival !== undefined),
    give: (name, arrival) => {
      const { lane, delivery, recordKey, permit } = arrival;
      lane.running += 1;
      assigned.set(name, arrival);
      size += 1;
      busy.set(size);
      // One that stopped in this very moment: the delivery comes again after its ack wait, or at once by this nak.
      if (workers.get(name)?.send({ type: 'work', delivery, recordKey, permit })) return;
      permit?.end();
      delivery.nak();
    },
    end: (name) => {
      const before = assigned.get(name);
      if (!before) return false;
      before.lane.running -= 1;
      assigned.set(name, undefined);
      size -= 1;
      busy.set(size);
      return true;
    },
  };
};
