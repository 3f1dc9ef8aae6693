/** Asks for the records of all first deliveries that arrive in one tick with one read. */
import type { Bucket } from '../kv/kv.ts';
import type { Log } from '../kernel/log.ts';
import type { Lookup } from '../task/run.ts';

/** Whether there is a record under `recordKey`. Never rejects. */
export type LookUp = (recordKey: string) => Promise<Lookup>;

export const lookups = (records: Bucket, log: Log): LookUp => {
  let batch: { readonly keys: string[]; readonly found: Promise<ReadonlySet<string> | undefined> } | undefined;

  const open = () => {
    const keys: string[] = [];
    const found = Promise.resolve().then(async () => {
      batch = undefined;
      try {
        return new Set((await records.getMany(keys)).keys());
      } catch (error) {
        log.debug({ err: error, keys: keys.length }, 'a batched lookup failed: each task asks for itself');
        return undefined;
      }
    });
    return { keys, found };
  };

  return (recordKey) => {
    batch ??= open();
    batch.keys.push(recordKey);
    return batch.found.then((present) => {
      if (!present) return 'unknown';
      return present.has(recordKey) ? 'present' : 'absent';
    });
  };
};
