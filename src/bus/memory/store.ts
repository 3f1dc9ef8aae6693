/** The messages of one stream, by sequence and by subject, and the bytes they take. */
import type { Headers } from '../bus.ts';
import type { Stored, StreamSpec } from '../queue.ts';
import { isLiteral, matcher } from './matching.ts';

export interface MessageStore {
  readonly count: number;
  readonly bytes: number;
  add(message: Stored): void;
  get(seq: number): Stored | undefined;
  remove(seq: number): Stored | undefined;
  oldest(): Stored | undefined;
  /** The message with the highest sequence on a subject; of all that match, if `filter` has wildcards. */
  last(filter: string): Stored | undefined;
  /** The sequences that each subject holds, in order. */
  subjects(): Iterable<readonly [string, readonly number[]]>;
}

export const headerBytes = (headers: Headers): number => {
  const names = Object.entries(headers);
  return names.length === 0
    ? 0
    : names.reduce((sum, [name, value]) => sum + name.length + Buffer.byteLength(value) + 4, 12);
};

export type StoredBytes = (message: Pick<Stored, 'subject' | 'data' | 'headers'>) => number;

/** As the server counts them, which depends on where it keeps them. */
export const storedBytes = (storage: StreamSpec['storage']): StoredBytes => {
  const [each, eachWithHeaders] = storage === 'memory' ? [16, 16] : [30, 34];
  return ({ subject, data, headers }) => {
    const more = headerBytes(headers);
    return subject.length + data.length + more + (more > 0 ? eachWithHeaders : each);
  };
};

export const messageStore = (bytesOf: StoredBytes): MessageStore => {
  const messages = new Map<number, Stored>();
  const bySubject = new Map<string, number[]>();
  let bytes = 0;

  const lastOf = (subject: string): Stored | undefined => {
    const seq = bySubject.get(subject)?.at(-1);
    return seq === undefined ? undefined : messages.get(seq);
  };

  const forget = (subject: string, seq: number): void => {
    const seqs = bySubject.get(subject) ?? [];
    seqs.splice(seqs.indexOf(seq), 1);
    if (seqs.length === 0) bySubject.delete(subject);
  };

  return {
    get count() {
      return messages.size;
    },
    get bytes() {
      return bytes;
    },
    add: (message) => {
      messages.set(message.seq, message);
      bytes += bytesOf(message);
      const seqs = bySubject.get(message.subject);
      if (seqs) seqs.push(message.seq);
      else bySubject.set(message.subject, [message.seq]);
    },
    get: (seq) => messages.get(seq),
    remove: (seq) => {
      const message = messages.get(seq);
      if (!message) return undefined;
      messages.delete(seq);
      bytes -= bytesOf(message);
      forget(message.subject, seq);
      return message;
    },
    oldest: () => messages.values().next().value,
    last: (filter) => {
      if (isLiteral(filter)) return lastOf(filter);
      const match = matcher(filter);
      const found = [...bySubject].filter(([subject]) => match(subject)).map(([, seqs]) => seqs.at(-1) ?? 0);
      return messages.get(found.reduce((highest, seq) => Math.max(highest, seq), 0));
    },
    subjects: () => bySubject,
  };
};
