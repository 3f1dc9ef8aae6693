/** How far history is behind: what a durable consumer has not settled, and since when. */
import type { Queue } from '../bus/queue.ts';
import type { Clock } from '../kernel/clock.ts';

export interface Lag {
  /** Records that are not in the store. */
  readonly pending: number;
  /** Age of the oldest of them in ms, and so no less than that of the oldest terminal one; 0 if there is none. */
  readonly behindMs: number;
}

export interface LagOptions {
  readonly queue: Queue;
  readonly clock: Clock;
  readonly stream: string;
  readonly consumer: string;
  readonly filter: string;
}

export interface LagGauge {
  /** Asks. Throws `UnavailableError`, `TimeoutError` and `NotFoundError`. */
  readonly read: () => Promise<Lag>;
  /** What was read last, aged since. */
  readonly behindMs: () => number;
  /** Reads every few seconds; answers what stops that. */
  readonly watch: () => () => void;
}

const readEveryMs = 5_000;

export const lagGauge = ({ queue, clock, stream, consumer, filter }: LagOptions): LagGauge => {
  let oldestAt: number | undefined;

  const read = async (): Promise<Lag> => {
    const { pending, ackPending, ackFloor } = await queue.consumerInfo(stream, consumer);
    const unsettled = pending + ackPending;
    oldestAt = unsettled === 0 ? undefined : await firstAt(queue, stream, filter, ackFloor + 1);
    return { pending: unsettled, behindMs: behindMs() };
  };

  const behindMs = (): number => (oldestAt === undefined ? 0 : Math.max(0, queue.now() - oldestAt));

  return {
    read,
    behindMs,
    watch: () => {
      // Without an answer, what was read last goes on aging.
      const timer = clock.every(readEveryMs, () => void read().catch(() => undefined));
      return () => timer.cancel();
    },
  };
};

/** When the first message from `seq` on was stored. */
const firstAt = async (queue: Queue, stream: string, filter: string, seq: number): Promise<number | undefined> => {
  const found = Promise.withResolvers<number | undefined>();
  const reading = await queue.tail(stream, {
    filter,
    from: { seq },
    headersOnly: true,
    deliver: ({ at }) => found.resolve(at),
    caughtUp: () => found.resolve(undefined),
  });
  return found.promise.finally(() => reading.unsubscribe());
};
