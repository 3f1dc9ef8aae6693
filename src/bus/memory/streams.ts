/** The streams of a broker, each with its consumers. */
import type { Clock } from '../../kernel/clock.ts';
import { NotFoundError, RefusedError } from '../../kernel/errors.ts';
import type { Random } from '../../kernel/random.ts';
import type { ConsumerSpec, StreamInfo, StreamSpec } from '../queue.ts';
import { ackWaitMsOf } from '../ack-wait.ts';
import { type MemoryConsumer, memoryConsumer } from './consumer.ts';
import { overlaps } from './matching.ts';
import { type Stream, stream } from './stream.ts';
import { timers } from './timers.ts';

export interface Streams {
  /** Throws `NotFoundError`. */
  stream(name: string): Stream;
  /** Throws `NotFoundError`. */
  consumer(stream: string, name: string): MemoryConsumer;
  /** The stream that stores what is published to a subject. */
  taking(subject: string): Stream | undefined;
  /** The names of those that store what some subject matching `filter` is published to. */
  allTaking(filter: string): readonly string[];
  ensureStream(spec: StreamSpec): StreamInfo;
  ensureConsumer(spec: ConsumerSpec): Pick<ConsumerSpec, 'ackWaitMs'>;
  /** Streams in memory are gone; by a crash also what consumers had not written down. */
  stop(crash: boolean): void;
  start(): void;
}

interface Kept {
  readonly stream: Stream;
  readonly consumers: Map<string, MemoryConsumer>;
}

export const memoryStreams = (clock: Clock, random: Random): Streams => {
  const timing = timers(clock);
  const all = new Map<string, Kept>();

  const known = (name: string): Kept => {
    const found = all.get(name);
    if (!found) throw new NotFoundError(`stream "${name}" not found`);
    return found;
  };

  const ensureStream = (spec: StreamSpec): StreamInfo => {
    const others = [...all.values()].map((each) => each.stream.spec).filter(({ name }) => name !== spec.name);
    checkSubjects(spec, others);
    const existing = all.get(spec.name)?.stream;
    if (existing) {
      checkChange(existing.spec, spec);
      existing.update(spec);
      return existing.info();
    }
    const made = stream(spec, clock, random, timing);
    all.set(spec.name, { stream: made, consumers: new Map() });
    return made.info();
  };

  const ensureConsumer: Streams['ensureConsumer'] = (spec) => {
    const { stream: from, consumers } = known(spec.stream);
    const others = [...consumers.values()].map((each) => each.spec).filter(({ name }) => name !== spec.name);
    if (from.spec.keep === 'work') checkOnWork(spec, others);
    const existing = consumers.get(spec.name);
    const ackWaitMs = ackWaitMsOf(spec, existing && { ...existing.info(), ackWaitMs: existing.spec.ackWaitMs });
    if (existing) existing.update({ ...spec, ackWaitMs });
    else consumers.set(spec.name, memoryConsumer(from, spec, clock, timing));
    return { ackWaitMs };
  };

  return {
    stream: (name) => known(name).stream,
    consumer: (name, consumer) => {
      const found = known(name).consumers.get(consumer);
      if (!found) throw new NotFoundError(`consumer "${consumer}" of stream "${name}" not found`);
      return found;
    },
    allTaking: (filter) =>
      [...all.values()]
        .filter(({ stream: { spec } }) => spec.subjects.some((subject) => overlaps(subject, filter)))
        .map(({ stream: { name } }) => name),
    taking: (subject) => [...all.values()].find((each) => each.stream.takes(subject))?.stream,
    ensureStream,
    ensureConsumer,
    stop: (crash) => {
      timing.cancelAll();
      for (const [name, { stream: each, consumers }] of [...all]) {
        for (const consumer of consumers.values()) consumer.suspend(crash);
        if (each.spec.storage === 'memory') all.delete(name);
      }
    },
    start: () => {
      for (const { stream: each, consumers } of all.values()) {
        each.resume();
        for (const consumer of consumers.values()) consumer.resume();
      }
    },
  };
};

const checkSubjects = (spec: StreamSpec, others: readonly StreamSpec[]): void => {
  const clash = others.find(({ subjects }) =>
    subjects.some((theirs) => spec.subjects.some((ours) => overlaps(theirs, ours))),
  );
  if (clash) throw new RefusedError(`subjects of stream "${spec.name}" overlap with stream "${clash.name}"`);
};

const checkChange = (before: StreamSpec, { name, keep, storage = 'file' }: StreamSpec): void => {
  if (before.keep === keep && (before.storage ?? 'file') === storage) return;
  throw new RefusedError(`stream "${name}" cannot change how or where it keeps its messages`);
};

const checkOnWork = (spec: ConsumerSpec, others: readonly ConsumerSpec[]): void => {
  if (spec.ack === 'through') throw new RefusedError('workqueue stream requires explicit ack');
  const clash = others.some(({ filter }) => overlaps(filter, spec.filter));
  if (clash) throw new RefusedError('filtered consumer not unique on workqueue stream');
};
