/** How long to wait before trying again (M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015). */
import type { Random } from './random.ts';

/** Durations in ms. */
export interface Backoff {
  readonly firstMs: number;
  readonly factor: number;
  readonly maxMs: number;
}

const longestMs = ({ firstMs, factor, maxMs }: Backoff, failures: number): number =>
  Math.min(maxMs, firstMs * factor ** (failures - 1));

/** After the `failures`th failure, with full jitter: uniform between 0 and first × factor^(failures − 1), at most `maxMs`. */
export const backoffMs = (backoff: Backoff, failures: number, random: Random): number =>
  Math.round(random.next() * longestMs(backoff, failures));

const patient: Backoff = { firstMs: 100, factor: 2, maxMs: 2_000 };

/** For what is tried until it succeeds: 100 ms, doubling up to 2 s, with equal jitter: at least half of that. */
export const patientBackoffMs = (failures: number, random: Random): number =>
  Math.round((0.5 + random.next() / 2) * longestMs(patient, failures));
