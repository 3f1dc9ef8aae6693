/** A process that can be stopped as by SIGSTOP: its timers and whatever comes for it wait until it goes on. */
import type { MemoryConnection } from '../../src/bus/memory/broker.ts';
import type { Bus } from '../../src/bus/bus.ts';
import type { Queue } from '../../src/bus/queue.ts';
import { type Clock, sleepBy } from '../../src/kernel/clock.ts';

export interface Stoppable {
  readonly clock: Clock;
  readonly bus: Bus;
  readonly queue: Queue;
  stopFor(ms: number): void;
  /** How often it was stopped. */
  readonly stops: () => number;
  /** Resolves when it runs: at once if it does. */
  running(): Promise<void>;
}

export const stoppable = (base: Clock, { bus, queue }: MemoryConnection): Stoppable => {
  let held: (() => void)[] = [];
  let untilMs = 0;
  let stops = 0;

  const isStopped = (): boolean => base.monotonic() < untilMs;
  const gated =
    <Args extends readonly unknown[]>(run: (...args: Args) => void) =>
    (...args: Args): void => {
      if (isStopped()) held.push(() => run(...args));
      else run(...args);
    };
  const running = (): Promise<void> => new Promise((resolve) => gated(resolve)());
  const after = async <T>(promise: Promise<T>): Promise<T> => {
    await Promise.allSettled([promise]);
    await running();
    return promise;
  };

  const goOn = (): void => {
    if (isStopped()) return;
    const all = held;
    held = [];
    for (const run of all) run();
  };

  const timer: Clock['timer'] = (ms, fire) => base.timer(ms, gated(fire));
  return {
    running,
    stops: () => stops,
    stopFor: (ms) => {
      stops += 1;
      untilMs = Math.max(untilMs, base.monotonic() + ms);
      base.timer(ms, goOn);
    },
    clock: {
      ...base,
      timer,
      sleep: sleepBy(timer),
      every: (ms, fire) => base.every(ms, gated(fire)),
      immediate: (run) => base.immediate(gated(run)),
    },
    bus: {
      ...bus,
      get connection() {
        return bus.connection;
      },
      request: (...args) => after(bus.request(...args)),
      subscribe: (subject, handler, options) => bus.subscribe(subject, gated(handler), options),
      onConnection: (listener) => bus.onConnection(gated(listener)),
    },
    queue: {
      ...queue,
      publish: (...args) => after(queue.publish(...args)),
      last: (...args) => after(queue.last(...args)),
      tail: (stream, wish) =>
        queue.tail(stream, {
          ...wish,
          deliver: gated(wish.deliver),
          ...(wish.caughtUp && { caughtUp: gated(wish.caughtUp) }),
        }),
    },
  };
};
