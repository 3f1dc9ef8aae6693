/** A bucket: one value a key, each write a new revision, writes guarded by the revision they replace. */
import type { Subscription } from '../bus/bus.ts';

export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Grows with every write to the bucket. */
  readonly revision: number;
  /** When it was written: the server's clock, epoch ms. */
  readonly at: number;
  /** How long after `at` the entry removes itself; without it, it stays. */
  readonly ttlMs?: number;
}

export interface Bucket {
  readonly name: string;
  /** The stream beneath. */
  readonly stream: string;
  /** From the leader: fresh, though only a write proves it. */
  get(key: string): Promise<Entry | undefined>;
  /** Many keys in few reads, from any replica: may be behind. All are in memory at once. */
  getMany(keys: readonly string[]): Promise<ReadonlyMap<string, Entry>>;
  /**
   * Writes if the key's revision is `expected` (0: the key does not exist) and answers the new one.
   * Throws `ConflictError` where it is another, and `TimeoutError` where nobody knows: see `write.ts`.
   */
  update(key: string, value: Uint8Array, expected: number, options?: { readonly ttlMs?: number }): Promise<number>;
  /** Writes whatever was there before. */
  put(key: string, value: Uint8Array, options?: { readonly ttlMs?: number }): Promise<number>;
  /** Removes the key and leaves no marker. */
  remove(key: string): Promise<void>;
  /** Keys that match, `*` and `>` as in subjects. */
  keys(filter?: string): Promise<readonly string[]>;
  /**
   * The entries there are, then each change; `undefined` for a key that `nats kv del` or `purge` took away. What `remove`
   * or an entry's TTL takes away goes unseen.
   */
  watch(
    filter: string,
    changed: (key: string, entry: Entry | undefined) => void,
    options?: { readonly caughtUp?: () => void },
  ): Promise<Subscription>;
}
