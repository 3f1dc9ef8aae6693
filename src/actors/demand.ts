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
  /** Tasks of this lane in workers' hands. */
  running: number;
  /** Tasks that are here and wait for a worker. */
  ready: number;
  /** Asked for, in pulls that end at once. */
  outstanding: number;
  /** Messages that waited in the stream when it last spoke, those asked for included. */
  pending: number;
  /** Whether a pull of one is open. */
  sentinel: boolean;
  /** Whether nothing is to be asked for: what came last could not be used. */
  resting: boolean;
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
  running: 0,
  ready: 0,
  outstanding: 0,
  pending: 0,
  sentinel: false,
  resting: false,
  credit: 0,
});

type Lanes = readonly LaneDemand[];

const running = (lane: LaneDemand): number => lane.running;
const claimed = (lane: LaneDemand): number => lane.running + lane.ready + lane.outstanding;

const sum = (lanes: Lanes, of: (lane: LaneDemand) => number): number => {
  let total = 0;
  for (const lane of lanes) total += of(lane);
  return total;
};

/** Whether `lane` may have one slot more than `taken` says it has: one of its own reserve, or one that is kept for nobody. */
const mayTake = (lane: LaneDemand, lanes: Lanes, slots: number, taken: (lane: LaneDemand) => number): boolean =>
  taken(lane) < lane.reserve || slots > sum(lanes, (each) => Math.max(each.reserve, taken(each)));

/** Whether a task of `lane` may go to an idle worker now. */
export const mayStart = (lane: LaneDemand, lanes: Lanes, slots: number): boolean =>
  slots > sum(lanes, running) && mayTake(lane, lanes, slots, running);

/** Whether one more task of `lane` may be asked for. What waits here beyond its share keeps no other lane from its own. */
const mayAsk = (lane: LaneDemand, lanes: Lanes, slots: number): boolean =>
  !lane.resting &&
  slots > sum(lanes, (each) => each.running + each.outstanding) &&
  mayTake(lane, lanes, slots, claimed);

/**
 * What to ask for now, and notes it in `lanes`. `slots` are the pool's workers on this node. More tasks than slots
 * arrive only through sentinels: at most one for each lane but one.
 */
export const plan = (lanes: Lanes, slots: number): readonly PullPlan[] => {
  // Before the free slots are given away: a lane hears of its first task though another's backlog takes every slot.
  const quiet = lanes.filter((lane) => isQuiet(lane) && mayAsk(lane, lanes, slots));
  const batches = new Map<LaneDemand, number>();
  for (let lane = nextLane(lanes, slots); lane; lane = nextLane(lanes, slots)) {
    lane.outstanding += 1;
    batches.set(lane, (batches.get(lane) ?? 0) + 1);
  }
  for (const lane of quiet) lane.sentinel = true;
  return [
    ...[...batches].map(([lane, batch]): PullPlan => ({ lane, batch, kind: 'bulk' })),
    ...quiet.map((lane): PullPlan => ({ lane, batch: 1, kind: 'sentinel' })),
  ];
};

const isQuiet = ({ sentinel, outstanding, pending }: LaneDemand): boolean =>
  !sentinel && outstanding === 0 && pending === 0;

/** The lane that the next free slot is offered to. */
const nextLane = (lanes: Lanes, slots: number): LaneDemand | undefined => {
  let best: LaneDemand | undefined;
  let given = 0;
  for (const lane of lanes) {
    if (lane.sentinel || lane.pending <= lane.outstanding || !mayAsk(lane, lanes, slots)) continue;
    given += lane.weight;
    lane.credit += lane.weight;
    if (!best || lane.credit > best.credit) best = lane;
  }
  if (best) best.credit -= given;
  return best;
};

/**
 * A pool's reserve counts its workers everywhere; this node keeps its share of each lane's, rounded up, as long as one
 * slot is left for everybody.
 */
export const localReserves = (reserves: readonly number[], slots: number, max: number): readonly number[] => {
  let left = Math.max(0, slots - 1);
  return reserves.map((reserve) => {
    const share = Math.min(Math.ceil((reserve * slots) / max), left);
    left -= share;
    return share;
  });
};
