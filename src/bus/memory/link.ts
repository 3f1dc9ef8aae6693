/**
 * The wire between one client and the broker: two queues, each emptied in a later turn of the event loop, in order.
 * What is on its way when the wire is cut is gone, in both directions.
 */
import type { Clock } from '../../kernel/clock.ts';

export interface Watch {
  /** Something passed. */
  ran(): void;
  /** A handler threw. */
  failed(error: unknown): void;
}

export interface Link {
  readonly up: boolean;
  /** From the client to the broker; into the void while the wire is cut. */
  send(run: () => void): void;
  /** From the broker to the client. */
  receive(run: () => void): void;
  cut(): void;
  mend(): void;
}

/** Runs what it is given one after the other, never in the caller's stack. What one throws is the others' no concern. */
export const lane = (clock: Clock, { ran, failed }: Watch) => {
  let queue: (() => void)[] = [];
  let batch: (() => void)[] = [];

  const flush = (): void => {
    batch = queue;
    queue = [];
    for (const run of batch) {
      ran();
      try {
        run();
      } catch (error) {
        failed(error);
      }
    }
  };

  return {
    push: (run: () => void): void => {
      if (queue.push(run) === 1) clock.immediate(flush);
    },
    clear: (): void => {
      queue.length = 0;
      batch.length = 0;
    },
  };
};

export const link = (clock: Clock, watch: Watch): Link => {
  const out = lane(clock, watch);
  const back = lane(clock, watch);
  let up = true;

  return {
    get up() {
      return up;
    },
    send: (run) => {
      if (up) out.push(run);
    },
    receive: (run) => {
      if (up) back.push(run);
    },
    cut: () => {
      up = false;
      out.clear();
      back.clear();
    },
    mend: () => {
      up = true;
    },
  };
};
