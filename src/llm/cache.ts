/**
 * Answers that may be given again: exact matches only, shared by all nodes through KV, with the process's own memory in
 * front. It is a convenience and never a source of errors: what cannot be read was not there, and what cannot be
 * written is made anew.
 */
import { encodeJson } from '../bus/json.ts';
import { LRUCache } from 'lru-cache';
import { atMost, type Clock } from '../kernel/clock.ts';
import { TimeoutError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import { unlessAborted } from '../kernel/signal.ts';
import type { Bucket } from '../kv/kv.ts';
import type { Attempt } from '../task/executor.ts';
import { decodeJson, throughJson } from '../task/json.ts';
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
  /** No earlier answer will do: this one takes its place. */
  readonly anew?: boolean;
  /** How long to wait for an equal call at most, in ms. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

/** A miss makes its asker the one who calls: equal calls wait until it says what came of it, or can wait no longer. */
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

/** An earlier answer as `reuse` gives it again, or the one that `make` makes, kept for others. */
export const answeredOr = async <Answer>(
  cache: Cache,
  asked: Asked,
  reuse: (value: Json) => Answer,
  make: () => Promise<Answer>,
): Promise<Answer> => {
  const found = await cache.find(asked);
  if (found.type === 'hit') return reuse(found.value);
  try {
    const answer = await make();
    found.keep(throughJson(answer, `the answer of "${asked.model}"`) ?? null);
    return answer;
  } catch (error) {
    found.drop();
    throw error;
  }
};

/**
 * Whether nothing that is kept will do for the attempt: what a later one, or a redriven task, has no record of may have
 * been forgotten for being wrong, and be in the cache still.
 */
export const asksAnew = ({ number, task }: Pick<Attempt, 'number' | 'task'>): boolean =>
  number > 1 || task.redriveOf !== undefined;

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
  const { now, clock, metrics } = options;
  const local = new LRUCache<string, Kept>({
    max: localMost,
    maxSize: localBytesMax,
    sizeCalculation: ({ bytes }) => bytes,
  });
  const kv = inKv(options);
  const inFlight: InFlight = new Map();

  const fresh = ({ ttlMs }: Asked, kept: Kept | undefined): Kept | undefined =>
    kept && now() - kept.at < ttlMs ? kept : undefined;

  const keep = (asked: Asked, value: Json): void => {
    const data = encodeJson(value);
    if (data.length > valueBytesMax) return;
    local.set(asked.key, { value, bytes: data.length, at: now() });
    if (asked.ttlMs >= kvTtlMinMs) kv.put(asked, data);
  };

  const hit = ({ model }: Asked, value: Json, outcome: 'hit' | 'shared'): Found => {
    metrics.modelCache.labels(model, outcome).inc();
    return { type: 'hit', value };
  };
  const miss = (asked: Asked, end: (value: Json | undefined) => void): Found => {
    metrics.modelCache.labels(asked.model, 'miss').inc();
    return {
      type: 'miss',
      keep: (value) => {
        keep(asked, value);
        end(value);
      },
      drop: () => end(undefined),
    };
  };

  const find = async (asked: Asked): Promise<Found> => {
    const { key, waitMs, signal } = asked;
    signal.throwIfAborted();
    if (asked.anew) return miss(asked, () => {});
    const here = fresh(asked, local.get(key));
    if (here) return hit(asked, here.value, 'hit');
    const ahead = inFlight.get(key);
    if (ahead) {
      const isThere = await unlessAborted(signal, atMost(clock, waitMs, ahead));
      const value = isThere ? await ahead : undefined;
      return value === undefined ? miss(asked, () => {}) : hit(asked, value, 'shared');
    }
    const end = lead(inFlight, asked);
    const there = fresh(asked, await kv.get(asked));
    signal.throwIfAborted();
    if (!there) return miss(asked, end);
    local.set(key, there);
    end(there.value);
    return hit(asked, there.value, 'hit');
  };
  return { find };
};

/** What is looked for, or called for. Resolves with `undefined` where nothing came of it. */
type InFlight = Map<string, Promise<Json | undefined>>;

/** Others wait for what this asker comes to, until its signal aborts. */
const lead = (inFlight: InFlight, { key, signal }: Asked): ((value: Json | undefined) => void) => {
  const coming = Promise.withResolvers<Json | undefined>();
  const end = (value: Json | undefined): void => {
    signal.removeEventListener('abort', drop);
    if (inFlight.get(key) === coming.promise) inFlight.delete(key);
    coming.resolve(value);
  };
  const drop = (): void => end(undefined);
  inFlight.set(key, coming.promise);
  signal.addEventListener('abort', drop, { once: true });
  return end;
};

/** Neither way rejects. */
const inKv = ({ bucket, clock, log, metrics }: CacheOptions) => {
  const failed = (asked: Asked, error: unknown): undefined => {
    metrics.modelCache.labels(asked.model, 'unreachable').inc();
    log.debug({ err: error, model: asked.model }, 'the cache of model calls could not be reached');
    return undefined;
  };
  return {
    get: async (asked: Asked): Promise<Kept | undefined> => {
      const reading = bucket.get(asked.key).catch((error: unknown) => failed(asked, error));
      if (!(await atMost(clock, lookMs, reading))) return failed(asked, new TimeoutError(`no answer in ${lookMs} ms`));
      const entry = await reading;
      const value = entry && decodeJson(entry.value);
      return value?.type === 'json'
        ? { value: value.value, bytes: entry?.value.length ?? 0, at: entry?.at ?? 0 }
        : undefined;
    },
    put: (asked: Asked, data: Uint8Array): void => {
      bucket.put(asked.key, data, { ttlMs: asked.ttlMs }).catch((error: unknown) => failed(asked, error));
    },
  };
};
