/**
 * Which lane the free slots of a pool are offered to. Slots go to lanes with work in the proportion of their weights,
 * one by one (smooth weighted round robin, as in nginx), so that no lane starves; `reserve`d slots only to their own
 * lane. A lane without known work keeps one pull of one task open: its sentinel.
 */
import type { Lane } from '../bus/subjects.ts';

export interface LaneDemand {
  readonly lane: Lane;
  readonly weight: number;
  /** Slots that only this lane may take. */
  readonly reserve: number;
  /** Tasks of this lane in workers' hands, or waiting for one here. */
  held: number;
  /** Asked for, in pulls that end at once. */
  outstanding: number;
  /** Messages that waited in the stream when it last spoke, those asked for included. */
  pending: number;
  /** Whether a pull of one is open. */
  sentinel: boolean;
  credit: number;
}

export interface PullPlan {
  readonly lane: LaneDemand;
  readonly batch: number;
  readonly kind: 'bulk' | 'sentinel';
}

export const laneDemand = (lane: Lane, weight: number, reserve: number): LaneDemand => ({
  lane,
  weight,
  reserve,
  held: 0,
  outstanding: 0,
  pending: 0,
  sentinel: false,
  credit: 0,
});

const claimed = ({ held, outstanding }: LaneDemand): number => held + outstanding;

/** Slots that are kept for other lanes than this one. */
const keptFrom = (lane: LaneDemand, lanes: readonly LaneDemand[]): number =>
  lanes.reduce((sum, other) => (other === lane ? sum : sum + Math.max(0, other.reserve - claimed(other))), 0);

/**
 * What to ask for now, and notes it in `lanes`. `slots` are the pool's workers on this node. More tasks than slots
 * arrive only through sentinels: at most one for each lane but one.
 */
export const plan = (lanes: readonly LaneDemand[], slots: number): readonly PullPlan[] => {
  const batches = new Map<LaneDemand, number>();
  let free = slots - lanes.reduce((sum, lane) => sum + claimed(lane), 0);
  const open = free > 0;
  for (; free > 0; free--) {
    const lane = nextLane(lanes, free);
    if (!lane) break;
    lane.outstanding += 1;
    batches.set(lane, (batches.get(lane) ?? 0) + 1);
  }
  const bulk = [...batches].map(([lane, batch]): PullPlan => ({ lane, batch, kind: 'bulk' }));
  return open ? [...bulk, ...sentinels(lanes, slots)] : bulk;
};

/** The lane that the next free slot is offered to. */
const nextLane = (lanes: readonly LaneDemand[], free: number): LaneDemand | undefined => {
  const wanting = lanes.filter((lane) => lane.pending > lane.outstanding && free > keptFrom(lane, lanes));
  const total = wanting.reduce((sum, { weight }) => sum + weight, 0);
  let best: LaneDemand | undefined;
  for (const lane of wanting) {
    lane.credit += lane.weight;
    if (!best || lane.credit > best.credit) best = lane;
  }
  if (best) best.credit -= total;
  return best;
};

const sentinels = (lanes: readonly LaneDemand[], slots: number): readonly PullPlan[] =>
  lanes
    .filter((lane) => !lane.sentinel && lane.outstanding === 0 && lane.pending === 0 && slots > keptFrom(lane, lanes))
    .map((lane) => {
      lane.sentinel = true;
      return { lane, batch: 1, kind: 'sentinel' };
    });

/**
 * A pool's reserve counts its workers everywhere; this node keeps its share of it, rounded up, and at least one slot for
 * everybody.
 */
export const localReserve = (reserve: number, slots: number, max: number): number =>
  Math.min(Math.ceil((reserve * slots) / max), Math.max(0, slots - 1));
