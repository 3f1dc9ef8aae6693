/**
 * What a durable consumer hands out, in batches. Asks for as much as it may hold, so that the next batch arrives while
 * one is written, and keeps what it holds from being handed to somebody else.
 */
import type { Delivery, Queue } from '../bus/queue.ts';
import type { Clock, Timer } from '../kernel/clock.ts';
import type { Random } from '../kernel/random.ts';
import { keepAlive } from './keep-alive.ts';

export interface FeedOptions {
  readonly queue: Queue;
  readonly clock: Clock;
  readonly random: Random;
  readonly stream: string;
  readonly consumer: string;
  /** Deliveries in a batch at most. */
  readonly batch: number;
  /** How long a batch that is not full waits for more: revisions that are overwritten meanwhile cost nothing. */
  readonly lingerMs: number;
  /** Of the consumer: how long what is held here may go without a sign of life. */
  readonly ackWaitMs: number;
}

export interface Feed {
  /** The next batch; undefined after `stop`. Ask again when the one before is settled. */
  readonly next: () => Promise<readonly Delivery[] | undefined>;
  /** Acks the batch that `next` has given. */
  readonly settle: () => void;
  /** Grows whenever something happens that may mean that the stream is another one now. */
  readonly doubts: number;
  /** Gives back what it holds: it may belong to a stream that is no more. */
  readonly reset: () => void;
  /** No further batches. What is in one already can still be settled, until `close`. */
  readonly stop: () => void;
  /** Gives back what it holds and what is still on its way. Never rejects. */
  readonly close: () => Promise<void>;
}

/** Held open by the server for so long: an idle feed costs two messages in that time. */
const pullMs = 30_000;
const pauseMs = 500;

export const feed = (options: FeedOptions): Feed => {
  const { queue, clock, random, stream, consumer: name, batch, lingerMs } = options;
  // In arrays: a Map that fills and empties all the time is costly (see `numbered`).
  let ready: Delivery[] = [];
  /** The batch that `next` has given. */
  let taken: readonly Delivery[] = [];
  let asked = 0;
  let doubts = 0;
  let stopped = false;
  let highest = 0;
  let pause: Timer | undefined;
  let wake: (() => void) | undefined;

  const held = (): readonly Delivery[] => [...ready, ...taken];
  const awaken = (): void => wake?.();

  /** Of what is in a batch already, the batch settles the earlier delivery. */
  const takeAgain = (delivery: Delivery): void => {
    ready = ready.map((each) => (each.seq === delivery.seq ? delivery : each));
  };

  const ask = (): void => {
    const room = 2 * batch - held().length - asked;
    if (stopped || pause || room <= 0 || (asked > 0 && room < batch / 2)) return;
    asked += room;
    consumer.pull({ batch: room, waitMs: pullMs });
  };

  const consumer = queue.consume(stream, name, {
    deliver: (delivery) => {
      asked = Math.max(0, asked - 1);
      if (stopped) return delivery.nak();
      // First deliveries come in order, so one that does not is of another stream.
      if (delivery.deliveries === 1 && delivery.seq <= highest) doubts += 1;
      highest = Math.max(highest, delivery.seq);
      if (delivery.deliveries > 1 && held().some(({ seq }) => seq === delivery.seq)) return takeAgain(delivery);
      ready.push(delivery);
      if (ready.length === 1 || ready.length === batch) awaken();
    },
    ended: (left, reason) => {
      asked = Math.max(0, asked - left);
      if (reason === 'empty' || stopped) return ask();
      doubts += 1;
      pause ??= clock.timer(pauseMs * (0.5 + random.next()), () => {
        pause = undefined;
        ask();
      });
    },
  });

  const beats = keepAlive(clock, options.ackWaitMs, held);

  /** Resolves when something arrives that is worth a look, or after `ms`. */
  const news = (ms?: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = ms === undefined ? undefined : clock.timer(ms, () => awaken());
      wake = () => {
        wake = undefined;
        timer?.cancel();
        resolve();
      };
    });

  const next = async (): Promise<readonly Delivery[] | undefined> => {
    ask();
    while (!stopped && ready.length === 0) await news();
    if (!stopped && ready.length < batch) await news(lingerMs);
    if (stopped) return undefined;
    taken = ready.slice(0, batch);
    ready = ready.slice(batch);
    return taken;
  };

  const giveBack = (): void => {
    for (const delivery of held()) delivery.nak();
    ready = [];
    taken = [];
  };

  const stop = (): void => {
    stopped = true;
    pause?.cancel();
    awaken();
  };

  return {
    next,
    settle: () => {
      for (const delivery of taken) delivery.ack();
      taken = [];
      ask();
    },
    get doubts() {
      return doubts;
    },
    reset: () => {
      giveBack();
      highest = 0;
    },
    stop,
    close: async () => {
      stop();
      await consumer.close();
      beats.cancel();
      giveBack();
    },
  };
};
