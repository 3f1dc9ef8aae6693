/** Writing a budget's key over one revision of it: taking over, taking a slice and keeping it fresh are all this. */
import { type Written, writeUntilKnown } from '../kv/write.ts';
import type { Bucket } from '../kv/kv.ts';
import { decodeKey, encodeKey, type LimiterKey } from '../limiter/granting/key.ts';
import type { LimiterOptions } from './limiter.ts';

export interface KeyWrite extends Pick<LimiterOptions, 'budget' | 'clock' | 'random'> {
  readonly limits: Bucket;
  /** The revision to replace; 0 to create the key. */
  readonly expected: number;
  readonly signal: AbortSignal;
}

/** As `writeUntilKnown`. */
export const writeKey = (
  { limits, budget, clock, random, expected, signal }: KeyWrite,
  key: Omit<LimiterKey, 'w'>,
): Promise<Written> => {
  const w = random.nonce();
  return writeUntilKnown(limits, {
    key: budget.name,
    value: encodeKey({ ...key, w }),
    expected,
    isMine: ({ value }) => decodeKey(value)?.w === w,
    clock,
    random,
    signal,
  });
};
