/** A pool's open pulls: two readers a lane, so that what arrives can be told apart. What is nobody's yet is kept alive. */
import type { Consumer, Delivery, PullHandlers, Queue } from '../bus/queue.ts';
import { consumers, keyOfWork, streams } from '../bus/subjects.ts';
import { atMost, type Clock } from '../kernel/clock.ts';
import { numbered } from '../kernel/numbered.ts';
import type { StartPermit } from '../task/start-permit.ts';
import type { LaneDemand, PullPlan } from './demand.ts';
import { keepAlive } from './keep-alive.ts';

/** How long a sentinel waits for a task. */
const sentinelMs = 30_000;
/** A sentinel whose lane had a task so long ago at most gets its next one so soon, most likely. */
const soonMs = 100;

/** A task that has arrived, and is nobody's yet. */
export interface Arrival {
  readonly lane: LaneDemand;
  readonly kind: PullPlan['kind'];
  readonly delivery: Delivery;
  readonly recordKey: string;
  /** Of its arrival. */
  readonly number: number;
  /** For its start, where it has a budget. */
  readonly permit?: StartPermit;
}

export interface LanePullsOptions {
  readonly pool: string;
  readonly region: string;
  readonly lanes: readonly LaneDemand[];
  readonly queue: Queue;
  readonly clock: Clock;
  readonly ackWaitMs: number;
}

/** What pulls bring. */
export interface PullEvents {
  arrived(arrival: Arrival): void;
  ended(lane: LaneDemand, kind: PullPlan['kind'], ...how: Parameters<PullHandlers['ended']>): void;
}

export interface LanePulls {
  pull(plan: PullPlan): void;
  /** A worker has it now. */
  taken(arrival: Arrival): void;
  /** Lets go of all pulls, and answers what has arrived, up to the very end, and was not taken. */
  close(): Promise<readonly Delivery[]>;
}

export const lanePulls = (options: LanePullsOptions, events: PullEvents): LanePulls => {
  const here = numbered<Delivery>();
  const arrived = (lane: LaneDemand, kind: PullPlan['kind'], delivery: Delivery): void =>
    events.arrived({ lane, kind, delivery, recordKey: keyOfWork(delivery.subject), number: here.add(delivery) });
  const beats = keepAlive(options.clock, options.ackWaitMs, here.values);
  const readers = new Map(
    options.lanes.map((lane) => [lane, laneReaders(lane, options, { arrived, ended: events.ended })]),
  );

  return {
    pull: ({ lane, batch, kind }) => readers.get(lane)?.pull(batch, kind),
    taken: ({ number }) => void here.remove(number),
    close: async () => {
      beats.cancel();
      await Promise.all([...readers.values()].map(({ close }) => close()));
      return here.values();
    },
  };
};

/** What its readers bring. */
interface LaneEvents extends Pick<PullEvents, 'ended'> {
  arrived(lane: LaneDemand, kind: PullPlan['kind'], delivery: Delivery): void;
}

const laneReaders = (lane: LaneDemand, { pool, region, queue, clock }: LanePullsOptions, events: LaneEvents) => {
  const from = [streams.work(region, pool), consumers.lane(pool, lane.lane)] as const;
  let lastMs = Number.NEGATIVE_INFINITY;
  /** The end of the open sentinel's pull. */
  let answer = Promise.withResolvers<void>();

  const open = (kind: PullPlan['kind'], over: () => void): Consumer =>
    queue.consume(...from, {
      deliver: (delivery) => {
        lastMs = clock.monotonic();
        over();
        events.arrived(lane, kind, delivery);
      },
      ended: (left, reason) => {
        over();
        events.ended(lane, kind, left, reason);
      },
    });
  const bulk = open('bulk', () => {});
  const sentinel = open('sentinel', () => answer.resolve());
  answer.resolve();

  return {
    pull: (batch: number, kind: PullPlan['kind']): void => {
      if (kind === 'bulk') return bulk.pull({ batch, waitMs: 0 });
      answer = Promise.withResolvers<void>();
      sentinel.pull({ batch, waitMs: sentinelMs });
    },
    close: async (): Promise<void> => {
      // A task that is sent to a sentinel in the moment in which it goes would count as begun, and nobody has it.
      const leftMs = lastMs + soonMs - clock.monotonic();
      if (leftMs > 0) await atMost(clock, leftMs, answer.promise);
      await Promise.all([bulk.close(), sentinel.close()]);
    },
  };
};
