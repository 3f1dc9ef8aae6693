/**
 * Holds the tasks that have a budget until there is a permit for their start, while the pool's workers run others. How
 * many it holds is bounded: of what comes beyond that each task is given back, to come again when it may be its turn, and
 * a lane that brings nothing else is not pulled from for a moment.
 */
import type { Delivery } from '../bus/queue.ts';
import { lanes, parseWork } from '../bus/subjects.ts';
import type { Timer } from '../kernel/clock.ts';
import { decodeTask } from '../task/message.ts';
import { type BudgetLine, type BudgetLineEvents, type BudgetLineOptions, budgetLine } from './budget-line.ts';
import type { Starter } from './budget-waiter.ts';
import type { LaneDemand } from './demand.ts';
import type { Arrival } from './lane-pulls.ts';

/** What a type's tasks need a permit of before each start. */
export interface StartBudget {
  readonly budget: string;
  /** How long an attempt may take, in ms. */
  readonly holdMs: number;
}

export interface BudgetGateOptions extends Omit<BudgetLineOptions, 'budget'> {
  /** By the task's type. */
  readonly budgets: ReadonlyMap<string, StartBudget>;
  readonly workers: number;
  /** Has the task's record say that it waits. */
  readonly note: (delivery: Delivery, budget: string) => Promise<void>;
  readonly giveBack: (delivery: Delivery, budget: string, delayMs: number) => Promise<void>;
}

export interface BudgetGateEvents extends BudgetLineEvents {
  /** It is time for a `sweep`. */
  due(): void;
  /** It is in nobody's hands here any more. */
  taken(arrival: Arrival): void;
}

export interface BudgetGate {
  /** Whether the task needs a permit first. Then it is held, or given back. */
  hold(arrival: Arrival): boolean;
  /** Offers those that may start to `assign`, until it takes one. Answers whether it did. */
  next(assign: (arrival: Arrival) => boolean): boolean;
  /** A worker is free. */
  ask(): void;
  /** Returns permits that have run out, ends what must not wait any longer, and has records say who waits. */
  sweep(): void;
  cancel(recordKey: string): void;
  /** Lets go of all, for whoever pulled them to give back. Resolves when those are given back that were on their way. */
  close(): Promise<void>;
}

/** Of one budget and lane: so many are held, or as many as there are workers. */
const heldLeast = 32;
const sweepMs = 100;
/** Of one budget and lane between two sweeps. */
const givenBackMost = 32;
const delayMinMs = 1_000;
const delayMaxMs = 60_000;

interface Place {
  readonly budget: string;
  readonly lane: LaneDemand;
  readonly line: BudgetLine;
  /** Since the last sweep. */
  givenBack: number;
  /** When the one that was given back last comes again; monotonic ms. */
  lastDueMs: number;
}

export const budgetGate = (options: BudgetGateOptions, events: BudgetGateEvents): BudgetGate => {
  const { budgets, workers, clock, log } = options;
  const heldMost = Math.max(heldLeast, workers);
  /** In the order of their lanes. */
  const places: Place[] = [];
  const underWay = new Set<Promise<void>>();
  let sweeping: Timer | undefined;

  const placeOf = (lane: LaneDemand, budget: string): Place => {
    const known = places.find((each) => each.lane === lane && each.budget === budget);
    if (known) return known;
    const place = { budget, lane, line: budgetLine({ ...options, budget }, events), givenBack: 0, lastDueMs: 0 };
    places.push(place);
    places.sort((a, b) => lanes.indexOf(a.lane.lane) - lanes.indexOf(b.lane.lane));
    return place;
  };

  const track = (work: Promise<void>): void => {
    const over = work
      .catch((error: unknown) => log.error({ err: error }, 'a task that waits for a permit was left as it is'))
      .finally(() => underWay.delete(over));
    underWay.add(over);
  };

  const giveBack = (place: Place, { arrival, task: { deadlineAt = Number.POSITIVE_INFINITY } }: Starter): void => {
    place.givenBack += 1;
    if (place.givenBack > givenBackMost) place.lane.resting = true;
    const delayMs = Math.min(delayOf(place, clock.monotonic()), deadlineAt - options.now());
    events.taken(arrival);
    track(options.giveBack(arrival.delivery, place.budget, delayMs));
  };

  const hold = (place: Place, starter: Starter): void => {
    const { line, lane } = place;
    const { deadlineAt } = starter.task;
    const full = line.size() >= heldMost;
    const overdue = deadlineAt !== undefined && deadlineAt <= options.now(); // The next sweep has it settled.
    if (full && !overdue && (line.short() || line.size() >= 2 * heldMost)) return giveBack(place, starter);
    line.join(starter);
    // Where the budget has room, but not yet for all that came at once, the rest stays where it is until there is room.
    if (line.size() >= heldMost) lane.resting = !line.short();
    sweeping ??= clock.every(sweepMs, events.due);
  };

  const sweep = (): void => {
    for (const place of places) {
      place.givenBack = 0;
      for (const delivery of place.line.sweep()) track(options.note(delivery, place.budget));
      wake(place);
    }
    if (places.some(({ line }) => line.size() > 0)) return;
    sweeping?.cancel();
    sweeping = undefined;
  };

  const wake = ({ lane, line }: Place): void => {
    if (!lane.resting || (line.size() >= heldMost && !line.short())) return;
    lane.resting = false;
    events.changed();
  };

  return {
    hold: (arrival) => {
      const start = startOf(budgets, arrival.delivery);
      const task = start && decodeTask(arrival.delivery);
      if (!task) return false;
      hold(placeOf(arrival.lane, start.budget), { arrival, task, holdMs: start.holdMs });
      return true;
    },
    next: (assign) => {
      for (const place of places) {
        if (!place.line.next(assign)) continue;
        wake(place);
        return true;
      }
      return false;
    },
    ask: () => {
      for (const { line } of places) line.ask();
    },
    sweep,
    cancel: (recordKey) => {
      for (const { line } of places) line.cancel(recordKey);
    },
    close: async () => {
      sweeping?.cancel();
      for (const { line } of places) line.close();
      await Promise.all(underWay);
    },
  };
};

const startOf = (budgets: BudgetGateOptions['budgets'], { subject }: Delivery): StartBudget | undefined => {
  const parsed = parseWork(subject);
  return parsed && budgets.get(parsed.type);
};

/** They come again one after the other, twice as fast as those here have had their turn of late. */
const delayOf = (place: Place, nowMs: number): number => {
  const { line } = place;
  const stepMs = line.waitedMs() / (2 * Math.max(1, line.size()));
  place.lastDueMs = Math.min(nowMs + delayMaxMs, Math.max(nowMs + delayMinMs, place.lastDueMs + stepMs));
  return Math.round(place.lastDueMs - nowMs);
};
