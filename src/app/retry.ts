import type { Backoff } from '../kernel/backoff.ts';
import type { Duration } from '../kernel/duration.ts';

/** When to try again. The wait before failure `n`'s successor is random between 0 and `first * factor^(n-1)`, at most `max`. */
export interface Retry {
  /** Attempts in all, the first one included, 1 to 1,000; 5. Counted are those that failed: one whose worker vanished is none of them. */
  readonly max?: number;
  readonly backoff?: {
    /** 1s */
    readonly first?: Duration;
    /** At least 1; 2. */
    readonly factor?: number;
    /** 5m, or `first` where that is longer. */
    readonly max?: Duration;
  };
}

/** With each default in its place. */
export const completedBackoff = ({
  firstMs = 1_000,
  factor = 2,
  maxMs = Math.max(300_000, firstMs),
}: { readonly [Part in keyof Backoff]: Backoff[Part] | undefined }): Backoff => ({ firstMs, factor, maxMs });
