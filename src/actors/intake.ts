/** Reads a durable consumer with so many deliveries in hand at once, and leaves settling them to its handler. */
import type { Consumer, Delivery, Queue } from '../bus/queue.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { Start } from '../kernel/process.ts';
import { aborted } from '../kernel/signal.ts';
import { levelOf } from '../kernel/unanswered.ts';
import { keepAlive } from './keep-alive.ts';

export interface IntakeOptions {
  readonly queue: Queue;
  readonly clock: Clock;
  readonly log: Log;
  readonly stream: string;
  readonly consumer: string;
  /** Deliveries in hand at most. */
  readonly concurrency: number;
  readonly ackWaitMs: number;
  /** Settles the delivery. One that throws leaves it to the ack wait. */
  readonly handle: (delivery: Delivery) => Promise<void>;
}

const openMs = 30_000;
const lostMs = 250;

export const intake = (options: IntakeOptions): Start => {
  const { queue, clock, log, concurrency, handle } = options;
  return (signal) => {
    const inHand = new Set<Delivery>();
    let asked = 0;
    /** Called when the last delivery in hand is settled. */
    let emptied = (): void => {};

    const pull = (): void => {
      const free = concurrency - inHand.size - asked;
      if (signal.aborted || free < concurrency / 2) return;
      asked += free;
      consumer.pull({ batch: free, waitMs: openMs });
    };

    const take = async (delivery: Delivery): Promise<void> => {
      inHand.add(delivery);
      try {
        await handle(delivery);
      } catch (error) {
        log[levelOf(error)]({ err: error, stream: options.stream, seq: delivery.seq }, 'a delivery was left unsettled');
      }
      inHand.delete(delivery);
      if (inHand.size === 0) emptied();
      pull();
    };

    const consumer: Consumer = queue.consume(options.stream, options.consumer, {
      deliver: (delivery) => {
        // What a lost pull still brings was not asked for any more.
        asked = Math.max(0, asked - 1);
        if (signal.aborted) return delivery.nak();
        void take(delivery); // It handles its own failure.
      },
      ended: (left, reason) => {
        asked = Math.max(0, asked - left);
        if (reason === 'empty') pull();
        else clock.timer(lostMs, pull);
      },
    });

    const beats = keepAlive(clock, options.ackWaitMs, () => inHand);
    pull();

    const finish = async (): Promise<void> => {
      await aborted(signal);
      await consumer.close();
      if (inHand.size > 0) await new Promise<void>((resolve) => (emptied = resolve));
      beats.cancel();
    };
    return Promise.resolve({ exit: finish() });
  };
};
