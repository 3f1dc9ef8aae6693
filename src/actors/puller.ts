/**
 * Turns a pool's idle workers into pulls, and what arrives into their work. What arrives is begun in the same tick; what
 * arrives without an idle worker (at most one task for each lane but one) waits here, and is started next.
 */
import type { Delivery } from '../bus/queue.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Random } from '../kernel/random.ts';
import type { Behavior, Self } from './actor.ts';
import { type AssignmentsOptions, assignments } from './assignments.ts';
import { type BudgetGate, type BudgetGateEvents, type BudgetGateOptions, budgetGate } from './budget-gate.ts';
import { type LaneDemand, mayStart, type PullPlan, plan } from './demand.ts';
import { type Arrival, type LanePulls, type LanePullsOptions, lanePulls } from './lane-pulls.ts';

/** Before pulling again after the server let go of a pull. */
const lostMs = 250;
/** How long a few free slots wait for more, while there is a backlog: a pull for each would cost more than no-op tasks do. */
const gatherMs = 1;
/** This part of the slots does not wait. */
const gatherShare = 4;

export type PullerMessage =
  | { readonly type: 'idle'; readonly worker: string }
  | { readonly type: 'arrived'; readonly arrival: Arrival }
  | {
      readonly type: 'ended';
      readonly lane: LaneDemand;
      readonly kind: PullPlan['kind'];
      readonly left: number;
      readonly reason: 'empty' | 'lost';
    }
  | { readonly type: 'pull' }
  /** A task has the permit that it was held for, or a lane need not rest any more. */
  | { readonly type: 'opened' }
  | { readonly type: 'sweep' }
  | { readonly type: 'cancel'; readonly recordKey: string };

export interface PullerOptions extends LanePullsOptions, AssignmentsOptions {
  /** Hands back what no worker has begun. */
  readonly giveBack: (delivery: Delivery) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  /** Where tasks of the app have budgets. */
  readonly gate?: BudgetGateOptions;
}

interface State {
  readonly idle: string[];
  /** Deliveries that no worker was free for. */
  readonly ready: Arrival[];
  readonly gate: BudgetGate | undefined;
  readonly pulls: LanePulls;
  /** A `pull` that is on its way: at the end of this turn, or when slots have gathered. */
  planned: 'no' | 'soon' | 'now';
  /** A `pull` is set for a little later, as pulls were lost. One for all of them: without a connection each is lost again. */
  retrying: boolean;
}

export const puller = (options: PullerOptions): Behavior<State, PullerMessage> => {
  const { lanes, workers, clock } = options;
  const assigned = assignments(options);

  const slotsOf = (state: State): number => assigned.size() + state.idle.length;

  /** Whether a worker was free for it, and its lane may have one. */
  const assign = (state: State, held: Arrival): boolean => {
    const name = mayStart(held.lane, lanes, slotsOf(state)) ? state.idle.pop() : undefined;
    if (name === undefined || !workers.has(name)) return false;
    state.pulls.taken(held);
    assigned.give(name, held);
    return true;
  };

  /** The first of those that wait whose lane may have a worker: what has a permit does not have it for long. */
  const assignReady = (state: State): void => {
    if (state.gate?.next((held) => assign(state, held))) return;
    const index = state.ready.findIndex((held) => assign(state, held));
    if (index === -1) return;
    for (const { lane } of state.ready.splice(index, 1)) lane.ready -= 1;
  };

  const replan = (state: State, self: Self<PullerMessage>): State => {
    const free = state.idle.length;
    const gather = free * gatherShare < free + assigned.size() && lanes.some(({ pending }) => pending > 0);
    if (state.planned === 'now' || (gather && state.planned === 'soon')) return state;
    state.planned = gather ? 'soon' : 'now';
    if (gather) clock.timer(gatherMs, () => self.send({ type: 'pull' }));
    else clock.immediate(() => self.send({ type: 'pull' }));
    return state;
  };

  const becameIdle = (state: State, name: string): void => {
    if (assigned.end(name) || !state.idle.includes(name)) state.idle.push(name);
    assignReady(state);
    state.gate?.ask();
  };

  const arrived = (state: State, arrival: Arrival): void => {
    const { lane, kind, delivery } = arrival;
    // What a lost pull still brings was not asked for any more.
    if (kind === 'bulk') lane.outstanding = Math.max(0, lane.outstanding - 1);
    else lane.sentinel = false;
    lane.pending = delivery.pending;
    if (state.gate?.hold(arrival) || assign(state, arrival)) return;
    lane.ready += 1;
    state.ready.push(arrival);
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
        Object.assign(lane, { running: 0, ready: 0, outstanding: 0, pending: 0, sentinel: false, resting: false });
      for (const { lane } of assigned.values()) lane.running += 1;
      for (const worker of workers.values()) worker.send({ type: 'introduce' });
      const pulls = lanePulls(options, {
        arrived: (arrival) => self.send({ type: 'arrived', arrival }),
        ended: (lane, kind, left, reason) => self.send({ type: 'ended', lane, kind, left, reason }),
      });
      const idle: string[] = [];
      const gate = options.gate && budgetGate(options.gate, gateEvents(self, idle, pulls));
      return replan({ idle, ready: [], gate, pulls, planned: 'no', retrying: false }, self);
    },
    receive: (state, message, self) => {
      switch (message.type) {
        case 'idle':
          becameIdle(state, message.worker);
          return replan(state, self);
        case 'arrived':
          arrived(state, message.arrival);
          return replan(state, self);
        case 'ended':
          return ended(state, message, self);
        case 'pull':
          return pull(state);
        case 'opened':
          while (state.gate?.next((held) => assign(state, held)));
          return replan(state, self);
        case 'sweep':
          state.gate?.sweep();
          return state;
        case 'cancel':
          state.gate?.cancel(message.recordKey);
          return state;
      }
    },
    terminate: async ({ pulls, gate }) => {
      const closed = gate?.close();
      // Only when they are closed: what is handed back while a pull is open comes back to it.
      const left = await pulls.close();
      await Promise.all([...left.map(options.giveBack), closed]);
    },
  };
};

const gateEvents = (self: Self<PullerMessage>, idle: readonly string[], pulls: LanePulls): BudgetGateEvents => ({
  free: () => idle.length,
  taken: pulls.taken,
  changed: () => self.send({ type: 'opened' }),
  due: () => self.send({ type: 'sweep' }),
});
