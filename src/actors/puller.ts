/**
 * Turns a pool's idle workers into pulls, and what arrives into their work. What arrives is begun in the same tick; what
 * arrives without an idle worker (at most one task for each lane but one) waits here, kept alive, and is started next.
 */
import type { Delivery } from '../bus/queue.ts';
import { keyOfWork } from '../bus/subjects.ts';
import type { Clock, Timer } from '../kernel/clock.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Random } from '../kernel/random.ts';
import type { Behavior, Self } from './actor.ts';
import { type LaneDemand, mayStart, type PullPlan, plan } from './demand.ts';
import { type LanePulls, type LanePullsOptions, lanePulls } from './lane-pulls.ts';
import type { LookUp } from './lookup.ts';
import type { WorkerRef } from './worker.ts';

/** Before pulling again after the server let go of a pull. */
const lostMs = 250;
/** How long a few free slots wait for more, while there is a backlog: a pull for each would cost more than no-op tasks do. */
const gatherMs = 1;
/** This part of the slots does not wait. */
const gatherShare = 4;

export type PullerMessage =
  | { readonly type: 'idle'; readonly worker: string }
  | {
      readonly type: 'arrived';
      readonly lane: LaneDemand;
      readonly kind: PullPlan['kind'];
      readonly delivery: Delivery;
    }
  | {
      readonly type: 'ended';
      readonly lane: LaneDemand;
      readonly kind: PullPlan['kind'];
      readonly left: number;
      readonly reason: 'empty' | 'lost';
    }
  | { readonly type: 'pull' }
  | { readonly type: 'beat' };

interface Held {
  readonly lane: LaneDemand;
  readonly delivery: Delivery;
  readonly recordKey: string;
}

export interface PullerOptions extends LanePullsOptions {
  readonly workers: ReadonlyMap<string, WorkerRef>;
  readonly lookUp: LookUp;
  /** Hands back what no worker has begun. */
  readonly giveBack: (delivery: Delivery) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly ackWaitMs: number;
}

interface State {
  readonly idle: string[];
  /** Deliveries that no worker was free for. */
  readonly ready: Held[];
  readonly pulls: LanePulls;
  readonly beats: Timer;
  /** A `pull` that is on its way: at the end of this turn, or when slots have gathered. */
  planned: 'no' | 'soon' | 'now';
  /** A `pull` is set for a little later, as pulls were lost. One for all of them: without a connection each is lost again. */
  retrying: boolean;
}

export const puller = (options: PullerOptions): Behavior<State, PullerMessage> => {
  const { pool, lanes, workers, clock, lookUp } = options;
  const busy = options.metrics.poolBusy.labels(pool);
  /** What each worker has. Outlives a crash of the puller: the workers go on. */
  const assigned = new Map<string, Held>();

  const slotsOf = (state: State): number => assigned.size + state.idle.length;

  /** Whether a worker was free for it, and its lane may have one. */
  const assign = (state: State, held: Held): boolean => {
    const { lane, delivery, recordKey } = held;
    const name = mayStart(lane, lanes, slotsOf(state)) ? state.idle.pop() : undefined;
    const worker = name === undefined ? undefined : workers.get(name);
    if (name === undefined || !worker) return false;
    state.pulls.taken(delivery);
    lane.running += 1;
    assigned.set(name, held);
    busy.set(assigned.size);
    // One that stopped in this very moment: the delivery comes again after its ack wait, or at once by this nak.
    if (!worker.send({ type: 'work', delivery, recordKey, lookup: lookUp(recordKey) })) delivery.nak();
    return true;
  };

  /** The first of those that wait whose lane may have a worker. */
  const assignReady = (state: State): void => {
    const index = state.ready.findIndex((held) => assign(state, held));
    if (index === -1) return;
    for (const { lane } of state.ready.splice(index, 1)) lane.ready -= 1;
  };

  const replan = (state: State, self: Self<PullerMessage>): State => {
    const free = state.idle.length;
    const gather = free * gatherShare < free + assigned.size && lanes.some(({ pending }) => pending > 0);
    if (state.planned === 'now' || (gather && state.planned === 'soon')) return state;
    state.planned = gather ? 'soon' : 'now';
    if (gather) clock.timer(gatherMs, () => self.send({ type: 'pull' }));
    else clock.immediate(() => self.send({ type: 'pull' }));
    return state;
  };

  const becameIdle = (state: State, name: string): void => {
    const before = assigned.get(name);
    if (before) before.lane.running -= 1;
    assigned.delete(name);
    busy.set(assigned.size);
    if (before || !state.idle.includes(name)) state.idle.push(name);
    assignReady(state);
  };

  const arrived = (state: State, { lane, kind, delivery }: Extract<PullerMessage, { type: 'arrived' }>): void => {
    // What a lost pull still brings was not asked for any more.
    if (kind === 'bulk') lane.outstanding = Math.max(0, lane.outstanding - 1);
    else lane.sentinel = false;
    lane.pending = delivery.pending;
    const held: Held = { lane, delivery, recordKey: keyOfWork(delivery.subject) };
    if (assign(state, held)) return;
    lane.ready += 1;
    state.ready.push(held);
  };

  const ended = (
    state: State,
    message: Extract<PullerMessage, { type: 'ended' }>,
    self: Self<PullerMessage>,
  ): State => {
    const { lane, kind, left, reason } = message;
    if (kind === 'bulk') lane.outstanding = Math.max(0, lane.outstanding - left);
    else lane.sentinel = false;
    lane.pending = 0; // The sentinel that follows tells how many there are.
    if (reason === 'empty') return replan(state, self);
    if (state.retrying) return state;
    state.retrying = true;
    clock.timer(lostMs * (0.5 + options.random.next()), () => {
      state.retrying = false;
      self.send({ type: 'pull' });
    });
    return state;
  };

  const pull = (state: State): State => {
    state.planned = 'no';
    for (const each of plan(lanes, slotsOf(state))) state.pulls.pull(each);
    return state;
  };

  return {
    init: (self) => {
      for (const lane of lanes)
        Object.assign(lane, { running: 0, ready: 0, outstanding: 0, pending: 0, sentinel: false });
      for (const { lane } of assigned.values()) lane.running += 1;
      for (const worker of workers.values()) worker.send({ type: 'introduce' });
      const beats = clock.every(options.ackWaitMs / 3, () => self.send({ type: 'beat' }));
      const pulls = lanePulls(options, {
        arrived: (lane, kind, delivery) => self.send({ type: 'arrived', lane, kind, delivery }),
        ended: (lane, kind, left, reason) => self.send({ type: 'ended', lane, kind, left, reason }),
      });
      return replan({ idle: [], ready: [], pulls, beats, planned: 'no', retrying: false }, self);
    },
    receive: (state, message, self) => {
      switch (message.type) {
        case 'idle':
          becameIdle(state, message.worker);
          return replan(state, self);
        case 'arrived':
          arrived(state, message);
          return replan(state, self);
        case 'ended':
          return ended(state, message, self);
        case 'pull':
          return pull(state);
        case 'beat':
          for (const { delivery } of [...state.ready, ...assigned.values()]) delivery.working();
          return state;
      }
    },
    terminate: async ({ pulls, beats }) => {
      beats.cancel();
      // Only when they are closed: what is handed back while a pull is open comes back to it.
      const left = await pulls.close();
      await Promise.all(left.map(options.giveBack));
    },
  };
};
