/**
 * Answers that may be given again: exact matches only, shared by all nodes through KV, with the process's own memory in
 * front. It is a convenience and never a source of errors: what cannot be read was not there, and what cannot be
 * written is made anew.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import { unlessAborted } from '../kernel/signal.ts';
import type { Bucket } from '../kv/kv.ts';
import { encodeJson } from '../task/json.ts';
import type { Json } from '../task/record.ts';

export interface CacheOptions {
  /** The bucket `cache`. */
  readonly bucket: Bucket;
  readonly clock: Clock;
  /** The server's clock, epoch ms. */
  readonly now: () => number;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface Asked {
  /** The app's name for it. */
  readonly model: string;
  /** Of model, settings and prompt: letters, digits, `_` and `-`. */
  readonly key: string;
  /** An older answer is none. */
  readonly ttlMs: number;
  readonly signal: AbortSignal;
}

/** A miss makes its asker the one who calls: equal calls wait until it says what came of it. */
export type Found =
  | { readonly type: 'hit'; readonly value: Json }
  | {
      readonly type: 'miss';
      /** For those who wait, and for those to come. */
      keep(value: Json): void;
      /** Nothing came of it: whoever waits calls by himself. What the signal aborts is dropped without it. */
      drop(): void;
    };

export interface Cache {
  /** Rejects with the signal's reason, and with nothing else. */
  find(asked: Asked): Promise<Found>;
}

interface Kept {
  readonly value: Json;
  readonly bytes: number;
  /** Epoch ms, by the server. */
  readonly at: number;
}

const valueBytesMax = 256 * 1024;
const localBytesMax = 32 * 1024 * 1024;
const localMost = 10_000;
/** A look into KV that takes longer costs more than it saves. */
const lookMs = 500;
/** What the server takes for a message's life. */
const kvTtlMinMs = 1_000;

export const cache = (options: CacheOptions): Cache => {
  const { now, metrics } = options;
  const local = new LRUCache<string, Kept>({
    max: localMost,
    maxSize: localBytesMax,
    sizeCalculation: ({ bytes }) => bytes,
  });
  const kv = inKv(options);
  /** Resolves with `undefined` where nothing came of the call. */
  const inFlight = new Map<string, Promise<Json | undefined>>();
  const count = ({ model }: Asked, outcome: 'hit' | 'shared' | 'miss'): void =>
    metrics.modelCache.labels(model, outcome).inc();

  const look = async (asked: Asked): Promise<Kept | undefined> => {
    const fresh = (kept: Kept | undefined) => (kept && now() - kept.at < asked.ttlMs ? kept : undefined);
    const here = fresh(local.get(asked.key));
    if (here) return here;
    const there = fresh(await kv.get(asked));
    if (there) local.set(asked.key, there);
    return there;
  };

  const keep = (asked: Asked, value: Json): void => {
    const data = encodeJson(value);
    if (data.length > valueBytesMax) return;
    local.set(asked.key, { value, bytes: data.length, at: now() });
    if (asked.ttlMs >= kvTtlMinMs) kv.put(asked, data);
  };

  /** The call is the asker's, and others wait for it. */
  const lead = (asked: Asked): Extract<Found, { type: 'miss' }> => {
    const { key, signal } = asked;
    const call = Promise.withResolvers<Json | undefined>();
    const end = (value: Json | undefined): void => {
      signal.removeEventListener('abort', drop);
      if (inFlight.get(key) === call.promise) inFlight.delete(key);
      call.resolve(value);
    };
    const drop = (): void => end(undefined);
    inFlight.set(key, call.promise);
    if (signal.aborted) drop();
    else signal.addEventListener('abort', drop, { once: true });
    return {
      type: 'miss',
      keep: (value) => {
        keep(asked, value);
        end(value);
      },
      drop,
    };
  };

  const find = async (asked: Asked): Promise<Found> => {
    const ahead = inFlight.get(asked.key);
    if (ahead) {
      const value = await unlessAborted(asked.signal, ahead);
      count(asked, value === undefined ? 'miss' : 'shared');
      return value === undefined ? byItself(keep, asked) : { type: 'hit', value };
    }
    // Before the look into KV: who asks meanwhile waits for it, too.
    const call = lead(asked);
    const kept = await look(asked);
    if (!kept) {
      asked.signal.throwIfAborted();
      count(asked, 'miss');
      return call;
    }
    settleHit(call, kept.value);
    count(asked, 'hit');
    return { type: 'hit', value: kept.value };
  };
  return { find };
};
