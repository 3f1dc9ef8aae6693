/** The queue port on a client's link. */
import type { Headers } from '../bus.ts';
import type { PubAck, Queue, ScheduleSpec, Stored, StreamPublishOptions } from '../queue.ts';
import { PayloadTooLargeError, RefusedError, UnavailableError } from '../../kernel/errors.ts';
import { checked } from './bus.ts';
import type { CallOptions, Client } from './client.ts';
import { consume } from './consume.ts';
import { matcher } from './matching.ts';
import type { Stream } from './stream.ts';
import { tail } from './tail.ts';

const copy = (message: Stored | undefined): Stored | undefined => message && { ...message, data: message.data.slice() };

const ordered = (when: ScheduleSpec): string => {
  if ('at' in when) {
    const at = new Date(when.at);
    if (Number.isNaN(at.getTime())) throw new RefusedError(`a schedule cannot be due at ${when.at} ms since 1970`);
    return `@at ${at.toISOString()}`;
  }
  return 'every' in when ? `@every ${when.every}ms` : when.cron;
};

/** What the server keeps among a message's headers. Orders to it come by options only, never with somebody's headers. */
const stored = ({ headers = {}, expectSeq, ttlMs, schedule }: StreamPublishOptions): Headers => ({
  ...Object.fromEntries(Object.entries(headers).filter(([name]) => !/^nats-/i.test(name))),
  ...(expectSeq !== undefined && { 'Nats-Expected-Last-Subject-Sequence': String(expectSeq) }),
  ...(ttlMs !== undefined && { 'Nats-TTL': ttlMs % 1_000 === 0 ? `${ttlMs / 1_000}s` : `${Math.ceil(ttlMs)}ms` }),
  ...(schedule && { 'Nats-Schedule': ordered(schedule.when), 'Nats-Schedule-Target': schedule.target }),
});

const checkedForStream: typeof checked = (subject, data, headers) => {
  try {
    return checked(subject, data, headers);
  } catch (cause) {
    if (cause instanceof PayloadTooLargeError) throw new RefusedError(cause.message, { cause });
    throw cause;
  }
};

export const memoryQueue = (client: Client): Queue => {
  const { clock, faults, server } = client;

  const publish = async (subject: string, data: Uint8Array, options: StreamPublishOptions = {}): Promise<PubAck> => {
    const { expectSeq, ttlMs, schedule, timeoutMs } = options;
    const message = {
      ...checkedForStream(subject, data, stored(options)),
      ...(expectSeq !== undefined && { expectSeq }),
      ...(ttlMs !== undefined && { ttlMs }),
      ...(schedule && { schedule }),
    };
    const fault = faults.draw('publish', subject);
    if (fault === 'refuse') throw new UnavailableError(`publish to "${subject}": nobody answers`);
    return client.call(`publish to "${subject}"`, () => server.publish(message), { timeoutMs, fault, write: true });
  };

  const read = <T>(what: string, subject: string, run: (stale: boolean) => T): Promise<T> => {
    const fault = faults.draw('read', subject);
    const options: CallOptions = fault === 'lose_and_time_out' ? { fault } : {};
    return client.call(what, () => run(fault === 'stale'), options);
  };

  const lastOf = (stream: Stream, subject: string, stale: boolean): Stored | undefined => {
    const before = stale ? stream.before(subject) : undefined;
    return before ? before.message : stream.messages.last(subject);
  };

  const lastOfEach = (name: string, subjects: readonly string[], stale: boolean): ReadonlyMap<string, Stored> => {
    const stream = server.stream(name);
    return new Map(
      subjects.flatMap((subject) => {
        const found = copy(lastOf(stream, subject, stale));
        return found ? [[subject, found] as const] : [];
      }),
    );
  };

  const matching = (name: string, filter: string): readonly (readonly [string, readonly number[]])[] => {
    const match = matcher(filter);
    return [...server.stream(name).messages.subjects()].filter(([subject]) => match(subject));
  };

  const purge = (name: string, filter: string): number => {
    const seqs = matching(name, filter).flatMap(([, each]) => each);
    for (const seq of [...seqs]) server.stream(name).remove(seq, true);
    return seqs.length;
  };

  const write = { write: true };
  return {
    now: clock.wall,
    publish,
    get: (stream, seq) =>
      read(`get of "${stream}" ${seq}`, stream, () => copy(server.stream(stream).messages.get(seq))),
    last: (stream, subject) =>
      read(`last of "${subject}"`, subject, () => copy(server.stream(stream).messages.last(subject))),
    lastOfEach: (stream, subjects) =>
      read(`last of each in "${stream}"`, subjects[0] ?? stream, (stale) => lastOfEach(stream, subjects, stale)),
    subjects: (stream, filter) =>
      read(
        `subjects of "${stream}"`,
        stream,
        () => new Map(matching(stream, filter).map(([subject, seqs]) => [subject, seqs.length])),
      ),
    purge: (stream, filter) => client.call(`purge of "${filter}"`, () => purge(stream, filter), write),
    ensureStream: (spec) => client.call(`stream "${spec.name}"`, () => server.ensureStream(spec), write),
    ensureConsumer: (spec) => client.call(`consumer "${spec.name}"`, () => server.ensureConsumer(spec), write),
    streamInfo: (stream) => client.call(`stream "${stream}"`, () => server.stream(stream).info()),
    consumerInfo: (stream, name) => client.call(`consumer "${name}"`, () => server.consumer(stream, name).info()),
    storageLimit: () => client.call('account', () => undefined),
    consume: (stream, consumer, handlers) => consume(client, stream, consumer, handlers),
    tail: (stream, options) => tail(client, stream, options),
  };
};
