/**
 * A clock that stands still until it is told to advance. Timers fire in the order they are due, and
 * after each the event loop gets its turns, so that whatever it set off has settled before the next.
 */
import { type Clock, everyBy, sleepBy } from './clock.ts';

export interface VirtualClock extends Clock {
  /** Moves time on, firing what falls due on the way. Rejects with what a timer throws. */
  readonly advance: (ms: number) => Promise<void>;
  /** Lets everything run that can run without time passing. */
  readonly settle: () => Promise<void>;
  /** Timers that have yet to fire. */
  readonly pending: number;
  /** When the next timer falls due, in `monotonic` milliseconds; undefined if there is none. */
  readonly nextDueMs: number | undefined;
}

interface Entry {
  readonly dueMs: number;
  /** Timers due at the same time fire in the order they were set. */
  readonly order: number;
  readonly fire: () => void;
}

/** Enough for any chain of immediates that ends; one that does not must not hang the test. */
const mostTurns = 1_000;

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** `start` is what its wall shows at first; `monotonic` starts at 0. */
export const virtualClock = (start = Date.UTC(2026, 0, 1)): VirtualClock => {
  const timers = timerList();
  let nowMs = 0;
  let immediates = 0;
  let advancing: Promise<void> = Promise.resolve();

  const settle = async (): Promise<void> => {
    await turn();
    for (let turns = 1; immediates > 0 && turns < mostTurns; turns += 1) await turn();
  };

  const advanceTo = async (targetMs: number): Promise<void> => {
    await settle();
    for (let due = timers.next(); due && due.dueMs <= targetMs; due = timers.next()) {
      timers.remove(due);
      nowMs = Math.max(nowMs, due.dueMs);
      due.fire();
      await settle();
    }
    nowMs = Math.max(nowMs, targetMs);
  };

  const timer: Clock['timer'] = (ms, fire) => {
    const entry = timers.add(nowMs + (ms > 0 ? ms : 0), fire);
    return { cancel: () => timers.remove(entry) };
  };

  return {
    monotonic: () => nowMs,
    wall: () => Math.floor(start + nowMs),
    timer,
    sleep: sleepBy(timer),
    every: everyBy(timer, 1),
    immediate: (run) => {
      immediates += 1;
      setImmediate(() => {
        immediates -= 1;
        run();
      });
    },
    // One after the other, however many ask: time never runs twice at once.
    advance: (ms) => {
      const go = (): Promise<void> => advanceTo(nowMs + ms);
      const done = advancing.then(go, go);
      advancing = done.catch(() => {}); // The caller has `done`, and so the error.
      return done;
    },
    settle,
    get pending() {
      return timers.size();
    },
    get nextDueMs() {
      return timers.next()?.dueMs;
    },
  };
};

/** Kept sorted with the next one last, where it costs nothing to take it. */
const timerList = () => {
  const entries: Entry[] = [];
  let order = 0;

  const place = (entry: Entry): number => {
    let [low, high] = [0, entries.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = entries[middle];
      const later = other && (other.dueMs > entry.dueMs || (other.dueMs === entry.dueMs && other.order > entry.order));
      if (later) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  return {
    add: (dueMs: number, fire: () => void): Entry => {
      const entry = { dueMs, order: (order += 1), fire };
      entries.splice(place(entry), 0, entry);
      return entry;
    },
    remove: (entry: Entry): void => {
      const at = place(entry);
      if (entries[at] === entry) entries.splice(at, 1);
    },
    next: (): Entry | undefined => entries.at(-1),
    size: (): number => entries.length,
  };
};
