/** A pool's open pulls: two readers a lane, so that what arrives can be told apart, and what has arrived and is nobody's yet. */
import type { Consumer, Delivery, PullHandlers, Queue } from '../bus/queue.ts';
import { consumers, streams } from '../bus/subjects.ts';
import type { StartPermit } from '../task/start-permit.ts';
import type { LaneDemand, PullPlan } from './demand.ts';

/** How long a sentinel waits for a task. */
const sentinelMs = 30_000;

/** A task that has arrived, and is nobody's yet. */
export interface Arrival {
  readonly lane: LaneDemand;
  readonly delivery: Delivery;
  readonly recordKey: string;
  /** For its start, where it has a budget. */
  readonly permit?: StartPermit;
}

export interface LanePullsOptions {
  readonly pool: string;
  readonly region: string;
  readonly lanes: readonly LaneDemand[];
  readonly queue: Queue;
}

/** What pulls bring. */
export interface PullEvents {
  arrived(lane: LaneDemand, kind: PullPlan['kind'], delivery: Delivery): void;
  ended(lane: LaneDemand, kind: PullPlan['kind'], ...how: Parameters<PullHandlers['ended']>): void;
}

export interface LanePulls {
  pull(plan: PullPlan): void;
  /** A worker has it now. */
  taken(delivery: Delivery): void;
  /** Lets go of all pulls, and answers what has arrived, up to the very end, and was not taken. */
  close(): Promise<readonly Delivery[]>;
}

export const lanePulls = ({ pool, region, lanes, queue }: LanePullsOptions, events: PullEvents): LanePulls => {
  const stream = streams.work(region, pool);
  const here = new Set<Delivery>();

  const open = (lane: LaneDemand, kind: PullPlan['kind']): Consumer =>
    queue.consume(stream, consumers.lane(pool, lane.lane), {
      deliver: (delivery) => {
        here.add(delivery);
        events.arrived(lane, kind, delivery);
      },
      ended: (left, reason) => events.ended(lane, kind, left, reason),
    });
  const opened = new Map(lanes.map((lane) => [lane, { bulk: open(lane, 'bulk'), sentinel: open(lane, 'sentinel') }]));

  return {
    pull: ({ lane, batch, kind }) => opened.get(lane)?.[kind].pull({ batch, waitMs: kind === 'bulk' ? 0 : sentinelMs }),
    taken: (delivery) => void here.delete(delivery),
    close: async () => {
      await Promise.all([...opened.values()].flatMap(({ bulk, sentinel }) => [bulk.close(), sentinel.close()]));
      return [...here];
    },
  };
};
