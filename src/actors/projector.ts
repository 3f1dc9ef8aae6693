/**
 * Tails the bucket of records, and the dead letters, into the store. What it cannot write now it keeps, and tries
 * again for ever; nothing else waits for it. Several of them, one a node, share the work: a row is guarded by its
 * revision, so the order in which they write does not matter, and each acks its own deliveries only.
 */
import type { Blobs } from '../bus/blobs.ts';
import type { ConsumerSpec, Delivery } from '../bus/queue.ts';
import { buckets, consumers, streams, subjects } from '../bus/subjects.ts';
import { type Clock, pause } from '../kernel/clock.ts';
import type { Start } from '../kernel/process.ts';
import type { Random } from '../kernel/random.ts';
import { aborted } from '../kernel/signal.ts';
import { patientBackoffMs } from '../kernel/backoff.ts';
import { cancelEnds, type CancelEndsOptions } from './projector-cancels.ts';
import { type Feed, feed } from './projector-feed.ts';
import { identify, type Source } from './projector-incarnation.ts';
import { recordsFilter } from './projector-lag.ts';
import { deadLetterRow } from './projector-letters.ts';
import { type ProjectOptions, projectTasks } from './projector-tasks.ts';
import { blobTexts } from './projector-values.ts';
import { passes, writeOrBisect } from './projector-write.ts';

export interface ProjectorOptions extends Omit<ProjectOptions, 'text' | 'cancelEnds'>, CancelEndsOptions {
  readonly blobs: Blobs;
  readonly clock: Clock;
  readonly random: Random;
  /** Records in one transaction at most; 500. */
  readonly batch?: number;
  /** How long a batch that is not full waits for more, in ms; 100. */
  readonly lingerMs?: number;
  /** Of its consumers. */
  readonly ackWaitMs: number;
}

const records = { stream: streams.bucket(buckets.tasks), name: consumers.projector };
const letters = { stream: streams.dlq, name: consumers.projector };

/** The consumers that must exist. `ackWaitMs`: as of all deliveries, so that a node that dies is taken over from here too. */
export const projectorConsumers = (ackWaitMs: number): readonly ConsumerSpec[] => {
  // Acks are single: one that settled all before it would settle what another node has in hand and not in the store.
  const shared = { ackWaitMs, maxAckPending: 5_000, ack: 'each' } as const;
  return [
    { ...records, ...shared, filter: recordsFilter },
    { ...letters, ...shared, filter: subjects.dlqs },
  ];
};

/** A transaction that takes too long is tried again with half the rows, but no fewer. */
const chunkRowsMin = 16;

/** Ready without waiting for the store. */
export const projector =
  (options: ProjectorOptions): Start =>
  async (signal) => {
    const projecting = { ...options, text: blobTexts(options.blobs), cancelEnds: cancelEnds(options) };
    const exit = Promise.all([
      drain(options, signal, records, {
        identify: () => identify(options, records.stream),
        write: (deliveries, source, chunkRows) => projectTasks(projecting, { deliveries, source, chunkRows }),
      }),
      drain(options, signal, letters, {
        identify: () => identifyLetters(options),
        write: (deliveries, { incarnation }) => projectLetters(options, deliveries, incarnation),
      }),
    ]).then(() => undefined);
    return { exit };
  };

interface Projection {
  identify(): Promise<Source>;
  write(deliveries: readonly Delivery[], source: Source, chunkRows: number): Promise<void>;
}

/** One batch after the other, until the signal aborts. */
const drain = async (
  options: ProjectorOptions,
  signal: AbortSignal,
  { stream, name: consumer }: Pick<ConsumerSpec, 'stream' | 'name'>,
  projection: Projection,
): Promise<void> => {
  const { batch = 500, lingerMs = 100 } = options;
  const from = feed({ ...options, stream, consumer, batch, lingerMs });
  void aborted(signal).then(from.stop); // Never rejects.
  const write = writer(options, { signal, stream, from, projection, chunkRowsMax: batch });
  try {
    for (let next = await from.next(); next; next = await from.next()) await write(next);
  } finally {
    await from.close();
  }
};

interface WriterOptions {
  readonly signal: AbortSignal;
  readonly stream: string;
  readonly from: Feed;
  readonly projection: Projection;
  readonly chunkRowsMax: number;
}

/** Writes a batch and settles it, however long that takes; returns early when the signal aborts. */
const writer = (
  { clock, random, log }: ProjectorOptions,
  { signal, stream, from, projection, chunkRowsMax }: WriterOptions,
) => {
  let source: Source | undefined;
  let doubts = 0;
  let chunkRows = chunkRowsMax;

  /** Whether what the feed holds is of the stream that there is now. */
  const sure = async (): Promise<boolean> => {
    if (source && doubts === from.doubts) return true;
    doubts = from.doubts;
    const known = source;
    source = undefined; // Or an error would leave it believed.
    source = await projection.identify();
    if (source.broken) log.warn({ stream, ...source }, 'the stream is not the one that was projected last');
    return known === undefined || known.incarnation === source.incarnation;
  };

  return async (deliveries: readonly Delivery[]): Promise<void> => {
    for (let failures = 0; !signal.aborted; ) {
      try {
        if (!(await sure()) || !source) return from.reset();
        await projection.write(deliveries, source, chunkRows);
        // Numbers begin anew with a stream: acked by those of the old one, what is new would never come again.
        if (!(await sure())) return from.reset();
        if (failures > 0) log.info({ stream, failures }, 'the projection goes on');
        chunkRows = Math.min(chunkRowsMax, chunkRows * 2);
        return from.settle();
      } catch (error) {
        if (!passes(error)) throw error;
        if (failures === 0) log.warn({ err: error, stream }, 'the projection waits');
        failures += 1;
        chunkRows = Math.max(Math.min(chunkRowsMin, chunkRowsMax), chunkRows >>> 1);
        await pause(clock, patientBackoffMs(failures, random), signal);
      }
    }
  };
};

/** Each dead letter is a row of its own, so that nothing need be compared with what was projected before. */
const identifyLetters = async ({ queue }: ProjectorOptions): Promise<Source> => {
  const { incarnation } = await queue.streamInfo(letters.stream);
  return { source: incarnation, incarnation, broken: false };
};

const projectLetters = (
  { store, log, metrics }: ProjectorOptions,
  deliveries: readonly Delivery[],
  incarnation: string,
): Promise<void> =>
  writeOrBisect(
    deliveries.map((delivery) => deadLetterRow(delivery, incarnation)),
    (rows) => store.projectDeadLetters(rows),
    async ({ type, id, revision }, error) => {
      // A dead letter about a dead letter would be refused as well. The stream keeps it.
      metrics.projectionRefused.labels('dead_letter').inc();
      log.error({ err: error, type, id, revision }, 'a dead letter cannot be projected');
    },
  );
