/**
 * Ends the cancellations that the projector comes by. What a full bucket refuses is tried again with a later batch: when
 * there is one, something has been written.
 */
import type { Log } from '../kernel/log.ts';

export interface CancelEndsOptions {
  /** Whether it is done. */
  readonly finishCancel?: (recordKey: string) => Promise<boolean>;
  readonly log: Log;
}

/** Of the keys that it is given, and of those that are left from before. Throws what `finishCancel` throws. */
export type CancelEnds = (recordKeys: readonly string[]) => Promise<void>;

/** After so many that are refused there is no space for others either, most likely. */
const refusalsMax = 16;

export const cancelEnds = ({ finishCancel, log }: CancelEndsOptions): CancelEnds => {
  const left = new Set<string>();
  let told = false;

  const tell = (): void => {
    if (left.size > 0 && !told)
      log.warn({ records: left.size }, 'records of cancelled tasks cannot be given their life now; it is tried again');
    told = left.size > 0;
  };

  return async (recordKeys) => {
    if (!finishCancel) return;
    for (const key of recordKeys) left.add(key);
    let refusals = 0;
    for (const key of [...left]) {
      if (refusals === refusalsMax) break;
      const done = await finishCancel(key);
      left.delete(key);
      if (done) continue;
      left.add(key); // Behind the others: it may be the only one that is refused.
      refusals += 1;
    }
    tell();
  };
};
