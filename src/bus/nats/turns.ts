/**
 * What is published in one turn of the event loop leaves in one write. The library flushes at the next microtask, and
 * between promises that is a system call for nearly every message: measured, a fifth of a worker's time.
 */
import type { NatsConnection } from '@nats-io/nats-core';

/** The library's own, which it does not show. */
interface Flushing {
  readonly protocol?: { flushPending?: () => void };
}

/** Leaves a library whose insides are other than these as it is. */
export const flushByTurns = (connection: NatsConnection): void => {
  const { protocol } = connection as unknown as Flushing;
  const flushNow = protocol?.flushPending?.bind(protocol);
  if (!protocol || !flushNow) return;
  let due = false;
  protocol.flushPending = () => {
    if (due) return;
    due = true;
    setImmediate(() => {
      due = false;
      flushNow();
    });
  };
};
