/**
 * Rule R4: unknown is not failed. A write whose outcome nobody told is sent again, the same bytes over the same
 * expected revision, until the server answers. A read in between would prove nothing: the write may still be on
 * its way. Once the server refuses for the revision, one read from the leader tells whose write is there.
 *
 * It can be the own write, but no later one of the same writer: a key has one writer at a time, who waits for the
 * end of this write before the next. Has somebody else written over it meanwhile, then this writer has lost the
 * key, whether or not its write was there for a while, and `lost` is the answer.
 */
import type { Clock } from '../kernel/clock.ts';
import { ConflictError, TimeoutError, UnavailableError } from '../kernel/errors.ts';
import type { Random } from '../kernel/random.ts';
import type { Bucket, Entry } from './kv.ts';

export interface Write {
  readonly key: string;
  readonly value: Uint8Array;
  /** The revision to replace; 0 to create the key. */
  readonly expected: number;
  readonly ttlMs?: number;
  /** Whether an entry is this very write: by a nonce in its value. */
  readonly isMine: (entry: Entry) => boolean;
  readonly clock: Clock;
  readonly random: Random;
  /** Gives up waiting for an answer; the outcome stays unknown. */
  readonly signal?: AbortSignal;
}

export type Written =
  | { readonly type: 'written'; readonly revision: number }
  /** Another's write is there instead, or nothing any more. */
  | { readonly type: 'lost'; readonly current: Entry | undefined };

const firstPauseMs = 50;
const longestPauseMs = 2_000;

/**
 * Writes until it is known whether it was written. Throws the signal's reason once that aborts, and what neither
 * time nor repetition changes: `RefusedError`, `InvalidNameError`.
 */
export const writeUntilKnown = async (bucket: Bucket, write: Write): Promise<Written> => {
  const { key, value, expected, ttlMs, clock, random, signal } = write;
  const options = ttlMs === undefined ? {} : { ttlMs };

  for (let failures = 0; ; failures += 1) {
    signal?.throwIfAborted();
    try {
      return { type: 'written', revision: await bucket.update(key, value, expected, options) };
    } catch (error) {
      const known = await meaning(error, bucket, write);
      if (known) return known;
      const pauseMs = Math.min(firstPauseMs * 2 ** failures, longestPauseMs);
      await clock.sleep(pauseMs * (0.5 + random.next()), signal);
    }
  }
};

/** What a write came to that was not simply done; `undefined` while nobody has told. */
const meaning = async (error: unknown, bucket: Bucket, { key, isMine }: Write): Promise<Written | undefined> => {
  try {
    if (!(error instanceof ConflictError)) throw error;
    const current = await bucket.get(key);
    return current && isMine(current) ? { type: 'written', revision: current.revision } : { type: 'lost', current };
  } catch (failure) {
    if (failure instanceof TimeoutError || failure instanceof UnavailableError) return undefined;
    throw failure;
  }
};
