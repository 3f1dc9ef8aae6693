/**
 * Time, as everything in Troupe sees it. Nothing outside the kernel reads a clock or sets a timer of
 * its own, so that a virtual clock can drive the whole runtime.
 */
import { performance } from 'node:perf_hooks';

export interface Timer {
  /** Nothing happens if it has fired, or was cancelled before. */
  cancel(): void;
}

export interface Clock {
  /** Milliseconds since some start. Never goes back: for durations, leases and timeouts. */
  readonly monotonic: () => number;
  /** Milliseconds since 1970. May jump: for what people read, and for deadlines between machines. */
  readonly wall: () => number;
  /** Calls `fire` once, `ms` from now. Any length; NaN and negative count as 0. */
  readonly timer: (ms: number, fire: () => void) => Timer;
  /** Resolves `ms` from now; rejects with the signal's reason as soon as that aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Calls `fire` every `ms`, first `ms` from now, until it is cancelled. */
  readonly every: (ms: number, fire: () => void) => Timer;
  /** Calls `run` in the next turn of the event loop, after I/O has had its turn. */
  readonly immediate: (run: () => void) => void;
}

/** `sleep` by means of `timer`, which is all that a clock has to know. */
export const sleepBy =
  (timer: Clock['timer']): Clock['sleep'] =>
  (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = (): void => {
        waiting.cancel();
        reject(signal?.reason);
      };
      const waiting = timer(ms, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      signal?.addEventListener('abort', abort, { once: true });
    });

/** `every`, likewise. `leastMs`: for a clock on which time passes only where nothing else is left to do. */
export const everyBy =
  (timer: Clock['timer'], leastMs = 0): Clock['every'] =>
  (ms, fire) => {
    const apartMs = Math.max(ms, leastMs);
    const again = (): void => {
      next = timer(apartMs, again);
      fire();
    };
    let next = timer(apartMs, again);
    return { cancel: () => next.cancel() };
  };

/** Longer ones fire at once in Node, so they are made of several. */
const longestTimeoutMs = 2 ** 31 - 1;

const timer: Clock['timer'] = (ms, fire) => {
  let timeout: NodeJS.Timeout;
  const wait = (leftMs: number): void => {
    timeout =
      leftMs > longestTimeoutMs
        ? setTimeout(wait, longestTimeoutMs, leftMs - longestTimeoutMs)
        : setTimeout(fire, leftMs);
  };
  wait(ms > 0 ? ms : 0);
  return { cancel: () => clearTimeout(timeout) };
};

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  wall: () => Date.now(),
  timer,
  sleep: sleepBy(timer),
  every: everyBy(timer),
  immediate: (run) => void setImmediate(run),
};

/** Resolves `ms` from now, and as soon as the signal aborts: for a loop that looks at it by itself. Never rejects. */
export const pause = ({ sleep }: Pick<Clock, 'sleep'>, ms: number, signal: AbortSignal): Promise<void> =>
  sleep(ms, signal).catch(() => {});

/** Waits for `promise`, but no longer than `ms`; answers whether it settled. Never rejects. */
export const atMost = (clock: Clock, ms: number, promise: Promise<unknown>): Promise<boolean> =>
  new Promise((resolve) => {
    const timeout = clock.timer(ms, () => resolve(false));
    const settled = (): void => {
      timeout.cancel();
      resolve(true);
    };
    promise.then(settled, settled);
  });
