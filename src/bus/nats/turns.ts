/**
 * What is published in one turn of the event loop leaves in few writes. The library flushes at the next microtask, and
 * between promises that is a system call for nearly every message: measured, a fifth of a worker's time. To hold it all
 * back to the end of a long turn is no better: the server would wait for us, then we for it.
 */
import type { NatsConnection } from '@nats-io/nats-core';

/** Worth a write of its own: some twenty tasks' results. Measured: at 2 KB the writes cost more, from 32 KB on the waits do. */
const flushBytes = 16 * 1024;

/** The library's own, which it does not show. */
interface Flushing {
  readonly protocol?: {
    /** It flushes without being asked when so much has gathered. */
    pendingLimit?: number;
    flushPending?: () => void;
    readonly outbound?: { size?: () => number };
  };
}

/** Leaves a library whose insides are other than these as it is. */
export const flushByTurns = (connection: NatsConnection): void => {
  const { protocol } = connection as unknown as Flushing;
  const flushNow = protocol?.flushPending?.bind(protocol);
  const size = protocol?.outbound?.size?.bind(protocol.outbound);
  if (!protocol || !flushNow || !size) return;
  let due = false;
  protocol.pendingLimit = flushBytes;
  protocol.flushPending = () => {
    if (size() >= flushBytes) return flushNow();
    if (due) return;
    due = true;
    setImmediate(() => {
      due = false;
      flushNow();
    });
  };
};
