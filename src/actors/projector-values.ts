/** Large values as text, for the rows of their tasks. */
import { LRUCache } from 'lru-cache';
import type { Blobs } from '../bus/blobs.ts';
import { RefusedError, UnavailableError } from '../kernel/errors.ts';

/** The text of a blob; undefined for one that is gone or damaged. Throws `UnavailableError` and `TimeoutError`: it can be read later. */
export type Texts = (blob: string) => Promise<string | undefined>;

const keptChars = 16 * 1024 * 1024;
const decoder = new TextDecoder();

/** A record names its large values in each of its revisions, and no blob ever changes: so it keeps what was read last. */
export const blobTexts = (blobs: Pick<Blobs, 'get'>): Texts => {
  const kept = new LRUCache<string, string>({ maxSize: keptChars, sizeCalculation: (text) => text.length + 1 });
  return async (blob) => {
    const before = kept.get(blob);
    if (before !== undefined) return before;
    const bytes = await blobs.get(blob).catch((cause: unknown) => {
      if (!(cause instanceof RefusedError)) throw cause;
      throw new UnavailableError(`blob ${blob} cannot be read now: ${cause.message}`, { cause });
    });
    const text = bytes && decoder.decode(bytes);
    if (text !== undefined) kept.set(blob, text);
    return text;
  };
};
