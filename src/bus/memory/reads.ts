/** What the queue port reads and removes, on a client's link. */
import { UnavailableError } from '../../kernel/errors.ts';
import type { Queue, Stored } from '../queue.ts';
import type { Client } from './client.ts';
import { matcher } from './matching.ts';
import type { Stream } from './stream.ts';

export type Reads = Pick<Queue, 'get' | 'last' | 'lastOfEach' | 'from' | 'subjects' | 'purge'>;

const copy = (message: Stored | undefined): Stored | undefined => message && { ...message, data: message.data.slice() };

const matching = (stream: Stream, filter: string): readonly (readonly [string, readonly number[]])[] => {
  const match = matcher(filter);
  return [...stream.messages.subjects()].filter(([subject]) => match(subject));
};

const counts = (stream: Stream, filter: string): ReadonlyMap<string, number> =>
  new Map(matching(stream, filter).map(([subject, seqs]) => [subject, seqs.length]));

const purge = (stream: Stream, filter: string): number => {
  const seqs = matching(stream, filter).flatMap(([, each]) => each);
  for (const seq of seqs) stream.remove(seq, true);
  return seqs.length;
};

const lastOf = (stream: Stream, subject: string, stale: boolean): Stored | undefined => {
  const before = stale ? stream.before(subject) : undefined;
  return copy(before ? before.message : stream.messages.last(subject));
};

const lastOfEach = (stream: Stream, subjects: readonly string[], stale: boolean): ReadonlyMap<string, Stored> =>
  new Map(
    subjects.flatMap((subject) => {
      const found = lastOf(stream, subject, stale);
      return found ? [[subject, found] as const] : [];
    }),
  );

/** Few, so that who reads on does so in tests too. */
const atOnce = 16;

const from = (stream: Stream, subject: string, seq: number): readonly Stored[] =>
  matching(stream, subject)
    .flatMap(([, seqs]) => seqs.filter((each) => each >= seq))
    .sort((a, b) => a - b)
    .slice(0, atOnce)
    .flatMap((each) => copy(stream.messages.get(each)) ?? []);

export const reads = (client: Client): Reads => {
  const { faults, server } = client;

  const read = <T>(what: string, subject: string, run: (stale: boolean) => T): Promise<T> => {
    const fault = faults.draw('read', subject);
    return client.call(what, () => run(fault === 'stale'), fault === 'lose_and_time_out' ? { fault } : {});
  };

  return {
    get: (name, seq) => read(`get of "${name}" ${seq}`, name, () => copy(server.stream(name).messages.get(seq))),
    last: (name, subject) => read(`last of "${subject}"`, subject, () => lastOf(server.stream(name), subject, false)),
    lastOfEach: async (name, subjects) => {
      const [first] = subjects;
      if (first === undefined) return new Map();
      return read(`last of each in "${name}"`, first, (stale) => lastOfEach(replica(client, name), subjects, stale));
    },
    from: (name, subject, seq) =>
      read(`read of "${subject}"`, subject, () => from(replica(client, name), subject, seq)),
    subjects: (name, filter) => read(`subjects of "${name}"`, name, () => counts(server.stream(name), filter)),
    purge: (name, filter) =>
      client.call(`purge of "${filter}"`, () => purge(server.stream(name), filter), { write: true }),
  };
};

/** Asked directly: where there is no such stream, nobody is there to say so. */
const replica = ({ server }: Client, name: string): Stream => {
  try {
    return server.stream(name);
  } catch (cause) {
    throw new UnavailableError(`nobody answers for stream "${name}"`, { cause });
  }
};
