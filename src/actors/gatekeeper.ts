/**
 * Keeps submitters out while taking more would endanger what was accepted: while the projection is so far behind that
 * records could expire unseen, or the bucket of records is so full that commits could be refused. Each reason is a key
 * in the bucket `gates`, written again while it holds, and stale by itself soon after.
 */
import { encodeJson } from '../bus/json.ts';
import { buckets, streams } from '../bus/subjects.ts';
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

interface Gate {
  readonly key: string;
  readonly why: string;
  closed(): boolean | Promise<boolean>;
}

const lookMs = 2_000;
/** How long one word holds. */
const holdMs = 10_000;
/** Tasks that are queued by then still need their records. */
const fullShare = 0.8;

export const gatekeeper = ({ queue, clock, log, behind }: GatekeeperOptions): Start => {
  const said = bucket(queue, buckets.gates);
  const gates: readonly Gate[] = [
    { key: 'projection', why: 'the history is too far behind', closed: behind },
    { key: 'records', why: 'the bucket of records is nearly full', closed: () => nearlyFull(queue) },
  ];

  const look = async ({ key, why, closed }: Gate): Promise<void> => {
    if (!(await closed())) return;
    const value = encodeJson({ until: Math.ceil(queue.now() + holdMs), why });
    await said.put(key, value, { ttlMs: 2 * holdMs });
    log.warn({ gate: key }, `submits are refused: ${why}`);
  };

  /** Told of once, until they can be seen to again: an outage has many looks. */
  const unseen = new Set<Gate>();
  const seeTo = (gate: Gate): Promise<void> =>
    look(gate).then(
      () => void unseen.delete(gate),
      (error: unknown) => {
        if (!unseen.has(gate))
          log.warn({ err: error, gate: gate.key }, 'a gate could not be seen to; it is tried again');
        unseen.add(gate);
      },
    );

  return (signal) => {
    const looking = clock.every(lookMs, () => {
      for (const gate of gates) void seeTo(gate); // Never rejects.
    });
    return Promise.resolve({ exit: aborted(signal).then(() => looking.cancel()) });
  };
};

const nearlyFull = async (queue: Queue): Promise<boolean> => {
  const { bytes, maxBytes } = await queue.streamInfo(streams.bucket(buckets.tasks));
  return maxBytes > 0 && bytes > maxBytes * fullShare;
};
