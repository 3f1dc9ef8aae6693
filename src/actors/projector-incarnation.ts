/**
 * Under which incarnation the rows of a stream are written. Revisions only count within one history of a stream: made
 * anew, or restored from a backup, it counts the same numbers again, and rows guarded by the revision alone would never
 * change any more.
 */
import { createHash } from 'node:crypto';
import type { Queue, StreamInfo } from '../bus/queue.ts';
import type { Mark, Store } from '../store/store.ts';

export const digestOf = (data: Uint8Array): string =>
  createHash('sha256').update(data).digest('base64url').slice(0, 22);

/** `there`: the digest of what is now where the mark is; undefined for nothing, as after an overwrite or a removal. */
export const incarnationFor = (
  mark: Mark | undefined,
  info: Pick<StreamInfo, 'incarnation' | 'lastSeq'>,
  there: string | undefined,
): string => {
  if (!mark) return info.incarnation;
  const same = info.incarnation === mark.source && info.lastSeq >= mark.revision;
  if (same && (there === undefined || there === mark.digest)) return mark.incarnation;
  return info.incarnation > mark.incarnation ? info.incarnation : successor(mark.incarnation);
};

const digits = 4;

/** Sorts above `incarnation`, and below what is made later. */
const successor = (incarnation: string): string => {
  const [base = '', count = '0'] = incarnation.split('~');
  return `${base}~${String(Number(count) + 1).padStart(digits, '0')}`;
};

export interface Source {
  /** What the stream calls itself. */
  readonly source: string;
  readonly incarnation: string;
  /** Whether it is another history than the one that was projected last. */
  readonly broken: boolean;
}

/** Throws `UnavailableError`, `TimeoutError`, and `NotFoundError` where there is no such stream. */
export const identify = async (
  { queue, store }: { readonly queue: Queue; readonly store: Store },
  stream: string,
): Promise<Source> => {
  const mark = await store.mark(stream); // First: the stream may be ahead of it then, but never behind.
  const info = await queue.streamInfo(stream);
  const there = mark && (await queue.get(stream, mark.revision));
  const incarnation = incarnationFor(mark, info, there && digestOf(there.data));
  return { source: info.incarnation, incarnation, broken: mark !== undefined && mark.incarnation !== incarnation };
};
