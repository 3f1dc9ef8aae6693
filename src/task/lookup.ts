/** Asks for the records of all first deliveries that arrive in one turn with one read, but for those that are over by then. */
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { Bucket } from '../kv/kv.ts';

/** Whether KV has a record; `unknown` where it could not be read, `unasked` where nobody wanted to know any more. */
export type Found = 'absent' | 'present' | 'unknown' | 'unasked';

export interface Lookup {
  /** Never rejects. */
  readonly found: Promise<Found>;
  /** Nobody needs the answer. */
  drop(): void;
}

export type LookUp = (recordKey: string) => Lookup;

interface Wish {
  readonly recordKey: string;
  wanted: boolean;
}

export const lookups = (records: Bucket, clock: Clock, log: Log): LookUp => {
  let batch: { readonly wishes: Wish[]; readonly present: Promise<ReadonlySet<string> | undefined> } | undefined;

  const read = async (wishes: readonly Wish[]): Promise<ReadonlySet<string> | undefined> => {
    const keys = wishes.flatMap(({ recordKey, wanted }) => (wanted ? [recordKey] : []));
    if (keys.length === 0) return undefined;
    try {
      return new Set((await records.getMany(keys)).keys());
    } catch (error) {
      log.debug({ err: error, keys: keys.length }, 'a batched lookup failed: each task asks for itself');
      return undefined;
    }
  };

  const open = () => {
    const wishes: Wish[] = [];
    const present = new Promise<ReadonlySet<string> | undefined>((resolve) =>
      clock.immediate(() => {
        batch = undefined;
        resolve(read(wishes));
      }),
    );
    return { wishes, present };
  };

  return (recordKey) => {
    const { wishes, present } = (batch ??= open());
    const wish: Wish = { recordKey, wanted: true };
    wishes.push(wish);
    const found = present.then((keys): Found => {
      if (!wish.wanted) return 'unasked';
      if (!keys) return 'unknown';
      return keys.has(recordKey) ? 'present' : 'absent';
    });
    return {
      found,
      drop: () => {
        wish.wanted = false;
      },
    };
  };
};
