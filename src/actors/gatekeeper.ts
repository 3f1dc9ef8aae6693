/**
 * Keeps submitters out while the projection is so far behind that records could expire unseen: one key in the bucket
 * `gates`, written again while it is true, and stale by itself soon after.
 */
import { buckets } from '../bus/subjects.ts';
import type { Queue } from '../bus/queue.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { Start } from '../kernel/process.ts';
import { aborted } from '../kernel/signal.ts';
import { bucket } from '../kv/bucket.ts';

export interface GatekeeperOptions {
  readonly queue: Queue;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether the projection is too far behind now. */
  readonly behind: () => boolean;
}

const lookMs = 2_000;
/** How long one word holds. */
const holdMs = 10_000;

export const gatekeeper = ({ queue, clock, log, behind }: GatekeeperOptions): Start => {
  const gates = bucket(queue, buckets.gates);
  return (signal) => {
    const look = clock.every(lookMs, () => {
      if (!behind()) return;
      const until = queue.now() + holdMs;
      const closed = gates.put('projection', Buffer.from(JSON.stringify({ until })), { ttlMs: 2 * holdMs });
      closed.catch((error: unknown) => log.warn({ err: error }, 'the gate could not be closed')); // Said again in 2 s.
    });
    return Promise.resolve({ exit: aborted(signal).then(() => look.cancel()) });
  };
};
