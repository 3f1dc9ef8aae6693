/**
 * What keeps submitters out for a while: each key of bucket `gates` says why and until when. Whoever closes one keeps
 * moving that moment on; should it die, the gate opens by itself.
 */
import { z } from 'zod';
import type { Subscription } from '../bus/bus.ts';
import { decodeAs } from '../bus/json.ts';
import { buckets } from '../bus/subjects.ts';
import { bucket } from '../kv/bucket.ts';
import type { Entry } from '../kv/kv.ts';
import { atMost } from '../kernel/clock.ts';
import { OverloadedError } from '../kernel/errors.ts';
import type { TaskPorts } from './ports.ts';

/** The value under a key: epoch ms by the server's clock, and a sentence. */
const closing = z.object({ until: z.number(), why: z.string().max(200).default('the runtime is behind') });
type Closing = z.infer<typeof closing>;

export interface Gate {
  /** Resolves when it is known whether the gate is closed. `undefined` once it is: every submit passes here. */
  readonly opening: () => Promise<unknown> | undefined;
  /** Throws `OverloadedError` while it is closed. */
  readonly pass: () => void;
  close(): void;
}

/** How long a first submit waits for the gate's word: without one, it is open. */
const patienceMs = 1_000;
/** How long not to ask again where there is no such bucket. */
const askAgainMs = 30_000;

export const gate = ({ queue, clock, log }: Pick<TaskPorts, 'queue' | 'clock' | 'log'>): Gate => {
  const closings = new Map<string, Closing>();
  let watched = false;
  let asked: Promise<unknown> | undefined;
  let askAt = Number.NEGATIVE_INFINITY;
  let reading: Subscription | undefined;
  let closed = false;

  const changed = (key: string, entry: Entry | undefined): void => {
    const said = entry && decodeAs(closing, entry.value); // What nobody can read keeps nobody out.
    if (said) closings.set(key, said);
    else closings.delete(key);
  };

  const watch = async (): Promise<void> => {
    const { promise: known, resolve: caughtUp } = Promise.withResolvers<void>();
    try {
      reading = await bucket(queue, buckets.gates).watch('>', changed, { caughtUp });
      await known;
      watched = true;
      if (closed) reading.unsubscribe();
    } catch (error) {
      log.debug({ err: error }, 'nobody says whether submits are kept out: they are not');
    }
  };

  const ask = (): Promise<unknown> => {
    askAt = clock.monotonic() + askAgainMs;
    asked = atMost(clock, patienceMs, watch()).finally(() => {
      asked = undefined;
    });
    return asked;
  };

  return {
    opening: () => (watched ? undefined : (asked ?? (clock.monotonic() < askAt ? undefined : ask()))),
    pass: () => {
      for (const [key, { until, why }] of closings) {
        const retryAfterMs = until - queue.now();
        if (retryAfterMs > 0) throw new OverloadedError(`${key}: ${why}; nothing was accepted`, { retryAfterMs });
        closings.delete(key);
      }
    },
    close: () => {
      closed = true;
      reading?.unsubscribe();
    },
  };
};
