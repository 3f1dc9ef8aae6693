/**
 * Removes large values whose record is gone. A blob is written just before the record that refers to it, so a young one
 * without a record may be about to get one; an old one was forgotten with its record, or lost its writer.
 */
import type { Blobs } from '../bus/blobs.ts';
import type { Queue } from '../bus/queue.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import { portions } from '../kernel/portions.ts';
import type { Start } from '../kernel/process.ts';
import { aborted } from '../kernel/signal.ts';
import type { Bucket } from '../kv/kv.ts';

export interface SweeperOptions {
  readonly queue: Queue;
  readonly blobs: Blobs;
  /** The bucket `tasks`. */
  readonly records: Bucket;
  readonly clock: Clock;
  readonly log: Log;
  /** How long a terminal record lives, in ms. */
  readonly recordLifeMs: () => number;
}

const everyMs = 600_000;
/** Of their records so many are in memory at once. */
const recordsAtOnce = 256;

/** `<type>.<id>` of `<type>.<id>.<place>.<nonce>`. */
const recordKeyOf = (name: string): string => name.split('.').slice(0, 2).join('.');

/** Answers how many it removed. */
export const sweep = async ({ queue, blobs, records, recordLifeMs }: SweeperOptions): Promise<number> => {
  const oldest = queue.now() - recordLifeMs();
  const old = (await blobs.list()).filter(({ at }) => at < oldest);
  const keys = [...new Set(old.map(({ name }) => recordKeyOf(name)))];
  const known = new Set<string>();
  for (const some of portions(keys, recordsAtOnce))
    for (const key of (await records.getMany(some)).keys()) known.add(key);
  const orphans = old.filter(({ name }) => !known.has(recordKeyOf(name)));
  for (const { name } of orphans) await blobs.remove(name);
  return orphans.length;
};

export const sweeper =
  (options: SweeperOptions): Start =>
  (signal) => {
    const { clock, log } = options;
    const sweeping = clock.every(everyMs, () => {
      sweep(options).then(
        (removed) => removed > 0 && log.info({ removed }, 'removed large values of forgotten tasks'),
        (error: unknown) => log.warn({ err: error }, 'large values could not be swept'), // Again in ten minutes.
      );
    });
    return Promise.resolve({ exit: aborted(signal).then(() => sweeping.cancel()) });
  };
