/**
 * Keeps terminal records until they are in the store. While the projection is late, they are written with a long life
 * (`lifeMs`); those that were written with a short one, before it was late or by a node that cannot tell, are written
 * again, byte for byte, so that whoever wrote one still knows it as its own.
 */
import type { Queue, Stored } from '../bus/queue.ts';
import { buckets, consumers, streams } from '../bus/subjects.ts';
import type { Clock } from '../kernel/clock.ts';
import { ConflictError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Start } from '../kernel/process.ts';
import { aborted } from '../kernel/signal.ts';
import { parseTtl } from '../kv/bucket.ts';
import { isTerminal } from '../task/record.ts';
import { type LagGauge, lagGauge, recordsFilter, recordsPrefix } from './projector-lag.ts';
import { decodeEntry } from './projector-row.ts';

export interface KeeperOptions {
  readonly queue: Queue;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'projectionBehind'>;
  /** How long a terminal record lives while the projection keeps up. */
  readonly recordLifeMs: number;
}

export interface Keeper {
  /** Looks every few seconds. Not started, it takes the projection for up to date. */
  readonly start: Start;
  /** How long a record lives that becomes terminal now. */
  readonly lifeMs: () => number;
  /** Whether the projection is so far behind that no more tasks should be taken. */
  readonly behind: () => boolean;
}

const lookMs = 5_000;
const longLifeMs = 7 * 86_400_000;
/** Of the life of a record. Late: what is left of it has to do for writing again all that lives short. */
const lateShare = 1 / 4;
const behindShare = 1 / 2;

const stream = streams.bucket(buckets.tasks);
/** Records that are written again at once: each may be large. */
const portion = 256;

export const keeper = ({ queue, clock, log, metrics, recordLifeMs }: KeeperOptions): Keeper => {
  const behindSeconds = metrics.projectionBehind.labels();
  const gauge = lagGauge(queue);
  const longMs = Math.max(longLifeMs, recordLifeMs);
  const late = (): boolean => gauge.behindMs() > recordLifeMs * lateShare;
  /** Where to look next for what lives short, while the projection is late. */
  let next = 1;
  let keeping = false;
  let failing = false;

  const keepMore = async (signal: AbortSignal): Promise<void> => {
    keeping = true;
    try {
      const { ackFloor } = await queue.consumerInfo(stream, consumers.projector);
      const kept = await keepFrom({ queue, gauge, longMs, signal }, Math.max(next, ackFloor + 1));
      next = kept.next;
      const { records } = kept;
      if (records > 0) log.warn({ records }, 'the projection is late: records that it has not seen live longer');
    } finally {
      keeping = false;
    }
  };

  const look = async (signal: AbortSignal): Promise<void> => {
    const { behindMs } = await gauge.read();
    behindSeconds.set(behindMs / 1_000);
    if (!late()) next = 1;
    else if (!keeping) await keepMore(signal);
  };

  /** Told of once, until it succeeds: an outage has many looks. */
  const heldUp = (error: unknown): void => {
    if (!failing) log.warn({ err: error }, 'the keeper of records is held up; it tries again');
    failing = true;
  };

  return {
    start: (signal) => {
      const timer = clock.every(Math.min(lookMs, recordLifeMs / 10), () => {
        look(signal).then(() => void (failing = false), heldUp);
      });
      return Promise.resolve({ exit: aborted(signal).then(() => timer.cancel()) });
    },
    lifeMs: () => (late() ? longMs : recordLifeMs),
    behind: () => gauge.behindMs() > recordLifeMs * behindShare,
  };
};

interface Keeping {
  readonly queue: Queue;
  readonly gauge: LagGauge;
  readonly longMs: number;
  readonly signal: AbortSignal;
}

interface Kept {
  readonly records: number;
  /** All before it has been seen to. */
  readonly next: number;
}

/** Writes again what would be forgotten before it is projected, from `seq` on. */
const keepFrom = async (keeping: Keeping, seq: number): Promise<Kept> => {
  let kept: Kept = { records: 0, next: seq };
  for (let more = true; more && !keeping.signal.aborted; ) {
    const found = await shortLived(keeping, kept.next);
    const { tried, written } = await keep(keeping, found.subjects);
    const records = kept.records + written;
    // Another node is ahead here, and goes on; if it dies, the next look finds what it has left.
    if (written < tried / 2) return { records, next: kept.next };
    kept = { records, next: found.next };
    more = found.more;
  }
  return kept;
};

const livesShort = ({ headers }: Stored, longMs: number): boolean => {
  const ttlMs = parseTtl(headers['Nats-TTL']);
  return ttlMs !== undefined && ttlMs < longMs;
};

/** The subjects of the first that live short, from `seq` on, and where to look for more. */
const shortLived = async ({ queue, longMs }: Keeping, seq: number) => {
  const subjects: string[] = [];
  let next = seq;
  const end = Promise.withResolvers<boolean>();
  const reading = await queue.tail(stream, {
    filter: recordsFilter,
    from: { seq },
    headersOnly: true,
    deliver: (stored) => {
      if (subjects.length === portion) return;
      next = stored.seq + 1;
      if (livesShort(stored, longMs)) subjects.push(stored.subject);
      if (subjects.length === portion) end.resolve(true);
    },
    caughtUp: () => end.resolve(false),
  });
  const more = await end.promise.finally(() => reading.unsubscribe());
  return { subjects, next, more };
};

const keep = async (keeping: Keeping, subjects: readonly string[]) => {
  const { queue, longMs } = keeping;
  const found = [...(await queue.lastOfEach(stream, subjects)).values()];
  const short = found.filter((stored) => livesShort(stored, longMs) && isTerminalRecord(stored));
  const written = await Promise.all(short.map((stored) => storeAnew(keeping, stored)));
  return { tried: short.length, written: written.filter(Boolean).length };
};

/** Anybody may have written there. */
const isTerminalRecord = ({ subject, data }: Stored): boolean => {
  const decoded = decodeEntry(subject.slice(recordsPrefix.length), data);
  return decoded.type === 'record' && isTerminal(decoded.record);
};

/** Whether it did: there is another by now, or none any more, where it did not. */
const storeAnew = async ({ queue, gauge, longMs }: Keeping, { subject, data, seq, at }: Stored): Promise<boolean> => {
  try {
    const stored = await queue.publish(subject, data, { expectSeq: seq, ttlMs: longMs });
    gauge.storedAnew(at, stored.seq);
    return true;
  } catch (error) {
    if (error instanceof ConflictError) return false;
    throw error;
  }
};
