import type { Random } from '../kernel/random.ts';

/** Durations in ms. */
export interface Backoff {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

/**
 * How long to wait after the `failures`th failure: full jitter, uniform between 0 and first × factor^(failures − 1),
 * capped at `maxMs` (M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015).
 */
export const backoffMs = ({ firstMs, factor, maxMs }: Backoff, failures: number, random: Random): number =>
  Math.round(random.next() * Math.min(maxMs, firstMs * factor ** (failures - 1)));
