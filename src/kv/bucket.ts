/**
 * A bucket on a stream: key `k` of bucket `b` is subject `$KV.b.k` of stream `KV_b`, whose last message is the
 * value and whose sequence is the revision. The convention is JetStream's, so `nats kv` sees the same bucket; what
 * `nats kv del` and `nats kv purge` leave behind (an empty message that says so in a header) is an absent key.
 */
import { streams, subjects } from '../bus/subjects.ts';
import type { Queue, Stored } from '../bus/queue.ts';
import { ConflictError, InvalidNameError } from '../kernel/errors.ts';
import type { Bucket, Entry } from './kv.ts';

/** As `nats kv` has it. No wildcards: `remove('>')` would be the end of the bucket. */
const validKey = /^[-/_=A-Za-z0-9]+(\.[-/_=A-Za-z0-9]+)*$/;

export const bucket = (queue: Queue, name: string): Bucket => {
  const stream = streams.bucket(name);
  const prefix = subjects.entry(name, '');

  const subjectOf = (key: string): string => {
    if (!validKey.test(key))
      throw new InvalidNameError('a key', key, 'give tokens of A-Z a-z 0-9 - _ / = with dots between them');
    return prefix + key;
  };
  const keyOf = (subject: string): string => subject.slice(prefix.length);
  const entryOf = (stored: Stored | undefined): Entry | undefined =>
    stored && !isMarker(stored) ? entry(keyOf(stored.subject), stored) : undefined;

  return {
    name,
    stream,

    get: async (key) => entryOf(await queue.last(stream, subjectOf(key))),

    getMany: async (keys) => {
      const found = new Map<string, Entry>();
      for (const stored of (await queue.lastOfEach(stream, keys.map(subjectOf))).values()) {
        const each = entryOf(stored);
        if (each) found.set(each.key, each);
      }
      return found;
    },

    update: async (key, value, expected, options = {}) => {
      const subject = subjectOf(key);
      try {
        return (await queue.publish(subject, value, { ...options, expectSeq: expected })).seq;
      } catch (error) {
        if (expected !== 0 || !(error instanceof ConflictError)) throw error;
        // Absent for whoever asks, yet there for the server: what `nats kv del` left is what has to be replaced.
        const marker = await queue.last(stream, subject);
        if (!marker || !isMarker(marker)) throw error;
        return (await queue.publish(subject, value, { ...options, expectSeq: marker.seq })).seq;
      }
    },

    put: async (key, value, options = {}) => (await queue.publish(subjectOf(key), value, options)).seq,

    remove: async (key) => {
      await queue.purge(stream, subjectOf(key));
    },

    keys: async (filter = '>') => keysOf(queue, stream, prefix + filter, keyOf),

    watch: (filter, changed, { caughtUp } = {}) =>
      queue.tail(stream, {
        filter: prefix + filter,
        from: 'last',
        deliver: (stored) => changed(keyOf(stored.subject), entryOf(stored)),
        ...(caughtUp && { caughtUp }),
      }),
  };
};

/** By reading everything once without the values: the server's list of subjects does not tell a marker from an entry. */
const keysOf = async (
  queue: Queue,
  stream: string,
  filter: string,
  keyOf: (subject: string) => string,
): Promise<readonly string[]> => {
  const found = new Set<string>();
  let caughtUp = (): void => {};
  const complete = new Promise<void>((resolve) => {
    caughtUp = resolve;
  });
  const deliver = (stored: Stored): void => {
    if (isMarker(stored)) found.delete(keyOf(stored.subject));
    else found.add(keyOf(stored.subject));
  };
  const reading = await queue.tail(stream, { filter, from: 'last', headersOnly: true, deliver, caughtUp });
  await complete;
  reading.unsubscribe();
  return [...found];
};

const entry = (key: string, { data, seq, at, headers }: Stored): Entry => {
  const ttlMs = parseTtl(headers['Nats-TTL']);
  return { key, value: data, revision: seq, at, ...(ttlMs !== undefined && { ttlMs }) };
};

/** What `nats kv del` and `purge` leave. `Nats-Marker-Reason` is what the server itself puts where a limit removed something, in buckets made so. */
export const isMarker = ({ headers }: Pick<Stored, 'headers'>): boolean => {
  const operation = headers['KV-Operation'];
  return operation === 'DEL' || operation === 'PURGE' || headers['Nats-Marker-Reason'] !== undefined;
};

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Whole seconds, or a duration as Go writes it: `90`, `90s`, `1m30s`. Undefined for `never` too. */
export const parseTtl = (ttl: string | undefined): number | undefined => {
  if (ttl === undefined) return undefined;
  if (/^\d+$/.test(ttl)) return Number(ttl) * 1_000;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(ttl)) return undefined;
  let ms = 0;
  for (const [, amount, unit = ''] of ttl.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g))
    ms += Number(amount) * (unitMs[unit] ?? 0);
  return Math.round(ms);
};
