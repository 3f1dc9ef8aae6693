/** Whose word on a consumer's ack wait counts, where several processes bring the consumer to a spec of their own. */
import type { ConsumerInfo, ConsumerSpec } from './queue.ts';

/** How a consumer was found. */
export type Found = Pick<ConsumerSpec, 'ackWaitMs'> & Pick<ConsumerInfo, 'waiting' | 'ackPending'>;

/**
 * The longest, while anybody uses it: who has deliveries in hand keeps them alive by the ack wait that he was given, and
 * would be too late for a shorter one. Too early for a longer one is no harm.
 */
export const ackWaitMsOf = (wanted: Pick<ConsumerSpec, 'ackWaitMs'>, found: Found | undefined): number =>
  found && found.waiting + found.ackPending > 0 ? Math.max(wanted.ackWaitMs, found.ackWaitMs) : wanted.ackWaitMs;
