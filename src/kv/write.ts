/**
 * Rule R4: unknown is not failed. A write whose outcome nobody told is sent again, the same bytes over the same
 * expected revision, until the server answers. A read in between would prove nothing: the write may still be on
 * its way. Once the server refuses for the revision, one read from the leader tells whose write is there.
 *
 * It can be the own write, but no later one of the same writer: a key has one writer at a time, who waits for the
 * end of this write before the next. Has somebody else written over it meanwhile, then this writer has lost the
 * key, whether or not its write was there for a while, and `lost` is the answer.
 */
import { ConflictError } from '../kernel/errors.ts';
import { type Asking, untilAnswered } from '../kernel/unanswered.ts';
import type { Bucket, Entry } from './kv.ts';

/** `signal`: gives up waiting for an answer; the outcome stays unknown. */
export interface Write extends Pick<Asking, 'clock' | 'random' | 'signal'> {
  readonly key: string;
  readonly value: Uint8Array;
  /** The revision to replace; 0 to create the key. */
  readonly expected: number;
  readonly ttlMs?: number | undefined;
  /** Whether an entry is this very write: by a nonce in its value. */
  readonly isMine: (entry: Entry) => boolean;
}

export type Written =
  | { readonly type: 'written'; readonly revision: number }
  /** Another's write is there instead, or nothing any more. */
  | { readonly type: 'lost'; readonly current: Entry | undefined };

/**
 * Writes until it is known whether it was written. Throws the signal's reason once that aborts, and what neither
 * time nor repetition changes: `RefusedError`, `InvalidNameError`.
 */
export const writeUntilKnown = (bucket: Bucket, write: Write): Promise<Written> =>
  untilAnswered(write, () => writeOnce(bucket, write));

const writeOnce = async (bucket: Bucket, { key, value, expected, ttlMs, isMine }: Write): Promise<Written> => {
  try {
    const options = ttlMs === undefined ? {} : { ttlMs };
    return { type: 'written', revision: await bucket.update(key, value, expected, options) };
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    const current = await bucket.get(key);
    return current && isMine(current) ? { type: 'written', revision: current.revision } : { type: 'lost', current };
  }
};
