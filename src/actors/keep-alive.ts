/** Deliveries that are in hand for longer than their ack wait: who says often enough that he has them keeps them. */
import type { Delivery } from '../bus/queue.ts';
import type { Clock, Timer } from '../kernel/clock.ts';

/** Thrice in an ack wait: two may be lost, or late. */
export const beatMs = (ackWaitMs: number): number => ackWaitMs / 3;

/** Says so of all that are `inHand` at each beat, until it is cancelled. */
export const keepAlive = (clock: Clock, ackWaitMs: number, inHand: () => Iterable<Delivery>): Timer =>
  clock.every(beatMs(ackWaitMs), () => {
    for (const delivery of inHand()) delivery.working();
  });
