/** A cache in the process's memory: the least recently used entry goes when room is needed. */
import type { Clock } from '../kernel/clock.ts';
import { toMs } from '../kernel/duration.ts';
import type { Local } from './context-types.ts';

const entriesMax = 10_000;

interface Kept {
  readonly value: unknown;
  /** On the monotonic clock. */
  readonly until: number;
}

export const localCache = (clock: Clock): Local => {
  const entries = new Map<string, Kept>();
  const loading = new Map<string, Promise<unknown>>();

  const find = (key: string): Kept | undefined => {
    const kept = entries.get(key);
    if (!kept) return undefined;
    entries.delete(key);
    if (kept.until <= clock.monotonic()) return undefined;
    entries.set(key, kept); // The most recently used comes last.
    return kept;
  };

  const set: Local['set'] = (key, value, ttl) => {
    const until = ttl === undefined ? Number.POSITIVE_INFINITY : clock.monotonic() + toMs(ttl, `ttl of local "${key}"`);
    entries.delete(key);
    entries.set(key, { value, until });
    const [oldest] = entries.keys();
    if (entries.size > entriesMax && oldest !== undefined) entries.delete(oldest);
  };

  return {
    get: (key) => find(key)?.value,
    set,
    wrap: async <T>(key: string, load: () => Promise<T>, ttl?: Parameters<Local['set']>[2]): Promise<T> => {
      const found = find(key);
      if (found) return found.value as T; // What `load` gave under this key, as its caller says.
      const under = loading.get(key) as Promise<T> | undefined;
      if (under) return under;
      const keep = (value: T): T => {
        set(key, value, ttl);
        return value;
      };
      const coming = Promise.resolve()
        .then(load)
        .then(keep)
        .finally(() => loading.delete(key));
      loading.set(key, coming);
      return coming;
    },
  };
};
