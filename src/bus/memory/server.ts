/** The broker's own state, as its clients' operations find it when they arrive. All of it answers at once. */
import type { Clock } from '../../kernel/clock.ts';
import { NotFoundError, RefusedError, UnavailableError } from '../../kernel/errors.ts';
import type { Random } from '../../kernel/random.ts';
import type { Message } from '../bus.ts';
import type { ConsumerSpec, PubAck, StreamInfo, StreamSpec } from '../queue.ts';
import type { Append } from './admission.ts';
import { type MemoryConsumer, memoryConsumer } from './consumer.ts';
import { type Core, core } from './core.ts';
import { overlaps } from './matching.ts';
import { type Stream, stream } from './stream.ts';
import { timers } from './timers.ts';

export interface Server {
  readonly core: Core;
  readonly blobs: Map<string, { readonly value: Uint8Array; readonly at: number }>;
  stream(name: string): Stream;
  /** Throws `NotFoundError`, as `stream` does. */
  consumer(stream: string, name: string): MemoryConsumer;
  ensureStream(spec: StreamSpec): StreamInfo;
  ensureConsumer(spec: ConsumerSpec): void;
  /** To the stream that has the subject, and to who listens. */
  publish(message: Append): PubAck;
  /** A core message; a stream that has its subject stores it too. Answers how many took it. */
  route(message: Message): number;
  /** Streams in memory are gone; by a crash also what consumers had not written down. */
  stop(crash: boolean): void;
  start(): void;
}

export const server = (clock: Clock, random: Random): Server => {
  const timing = timers(clock);
  const subjects = core(random);
  const streams = new Map<string, { readonly stream: Stream; readonly consumers: Map<string, MemoryConsumer> }>();

  const known = (name: string) => {
    const found = streams.get(name);
    if (!found) throw new NotFoundError(`stream "${name}" not found`);
    return found;
  };

  const holding = (subject: string): Stream | undefined =>
    [...streams.values()].find((each) => each.stream.takes(subject))?.stream;

  const checkSubjects = (spec: StreamSpec): void => {
    for (const { stream: other } of streams.values()) {
      const clash = other.spec.subjects.some((theirs) => spec.subjects.some((ours) => overlaps(theirs, ours)));
      if (other.name !== spec.name && clash) {
        throw new RefusedError(`subjects of stream "${spec.name}" overlap with stream "${other.name}"`);
      }
    }
  };

  const ensureStream = (spec: StreamSpec): StreamInfo => {
    checkSubjects(spec);
    const existing = streams.get(spec.name)?.stream;
    if (!existing) {
      const created = stream(spec, clock, random, timing);
      streams.set(spec.name, { stream: created, consumers: new Map() });
      return created.info();
    }
    const same = existing.spec.keep === spec.keep && (existing.spec.storage ?? 'file') === (spec.storage ?? 'file');
    if (!same) throw new RefusedError(`stream "${spec.name}" cannot change how or where it keeps its messages`);
    existing.update(spec);
    return existing.info();
  };

  const ensureConsumer = (spec: ConsumerSpec): void => {
    const { stream: from, consumers } = known(spec.stream);
    const others = [...consumers.values()].filter((other) => other.spec.name !== spec.name);
    if (from.spec.keep === 'work') {
      if (spec.ack === 'through') throw new RefusedError('workqueue stream requires explicit ack');
      const clash = others.some((other) => overlaps(other.spec.filter, spec.filter));
      if (clash) throw new RefusedError('filtered consumer not unique on workqueue stream');
    }
    const existing = consumers.get(spec.name);
    if (existing) existing.update(spec);
    else consumers.set(spec.name, memoryConsumer(from, spec, clock, timing));
  };

  const store = (into: Stream, message: Append): PubAck => ({ stream: into.name, seq: into.append(message) });

  const route = (message: Message): number => {
    const reached = subjects.route(message);
    const into = holding(message.subject);
    if (!into) return reached;
    const answer = (body: object): void => {
      if (message.reply === undefined) return;
      subjects.route({ subject: message.reply, data: new TextEncoder().encode(JSON.stringify(body)), headers: {} });
    };
    try {
      answer(store(into, message));
    } catch (error) {
      answer({ error: { code: 503, description: error instanceof Error ? error.message : String(error) } });
    }
    return reached + 1;
  };

  return {
    core: subjects,
    blobs: new Map(),
    stream: (name) => known(name).stream,
    consumer: (name, consumer) => {
      const found = known(name).consumers.get(consumer);
      if (!found) throw new NotFoundError(`consumer "${consumer}" of stream "${name}" not found`);
      return found;
    },
    ensureStream,
    ensureConsumer,
    publish: (message) => {
      const into = holding(message.subject);
      subjects.route({ subject: message.subject, data: message.data, headers: message.headers });
      if (!into) throw new UnavailableError(`nobody answers on ${message.subject}`);
      return store(into, message);
    },
    route,
    stop: (crash) => {
      timing.cancelAll();
      subjects.clear();
      for (const [name, { stream: each, consumers }] of [...streams]) {
        for (const consumer of consumers.values()) consumer.suspend(crash);
        if (each.spec.storage === 'memory') streams.delete(name);
      }
    },
    start: () => {
      for (const { stream: each, consumers } of streams.values()) {
        each.resume();
        for (const consumer of consumers.values()) consumer.resume();
      }
    },
  };
};
