/** Records into the store: one batch of what the bucket's stream hands out. */
import type { Delivery, Queue } from '../bus/queue.ts';
import { summarise } from '../kernel/error.ts';
import { RefusedError } from '../kernel/errors.ts';
import { isMarker } from '../kv/bucket.ts';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Mark, Store, TaskRow } from '../store/store.ts';
import type { CancelEnds } from './projector-cancels.ts';
import { digestOf, type Source } from './projector-incarnation.ts';
import { recordsPrefix } from './projector-lag.ts';
import { publishRefused } from './projector-letters.ts';
import { decodeEntry, rowSize, taskRow } from './projector-row.ts';
import type { Texts } from './projector-values.ts';
import { passes, writeOrBisect } from './projector-write.ts';

export interface ProjectOptions {
  readonly queue: Queue;
  readonly text: Texts;
  readonly store: Store;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'projected' | 'projectionRefused'>;
  /** Ends a cancellation whose canceller may have died half-way: who sees every record sees those too. */
  readonly cancelEnds: CancelEnds;
}

const keyOf = ({ subject }: Delivery): string => subject.slice(recordsPrefix.length);

interface Loaded {
  readonly delivery: Delivery;
  readonly row: TaskRow;
}

/** Without the life span that a cancellation ends with. */
const isHalfCancelled = ({ delivery, row }: Loaded): boolean =>
  row.status === 'cancelled' && delivery.headers['Nats-TTL'] === undefined;

/** Values are read from blobs for so many rows at once, */
const loadRows = 16;
/** and written when they come to so much. */
const chunkChars = 8 * 1024 * 1024;

/** One batch, of one history of the stream. */
export interface Batch {
  readonly deliveries: readonly Delivery[];
  readonly source: Source;
  /** Rows in one transaction at most. */
  readonly chunkRows: number;
}

/**
 * Writes a batch; what will never be a row is dead-lettered. All of it can be repeated. Throws `UnavailableError` and
 * `TimeoutError`.
 */
export const projectTasks = async (options: ProjectOptions, batch: Batch): Promise<void> => {
  const { store, metrics } = options;
  const refuse = refusing(options, batch.source.incarnation);
  const mark = markOf(batch);
  let marked = false;

  for await (const { loaded, last } of chunks(options, batch, refuse)) {
    await writeOrBisect(
      loaded,
      async (some) => {
        const all = last && some.length === loaded.length;
        await store.project(
          some.map(({ row }) => row),
          all ? mark : undefined,
        );
        marked ||= all;
        metrics.projected.labels().inc(some.length);
      },
      ({ delivery }, error) => refuse(delivery, 'refused', error.message),
    );
    await options.cancelEnds(loaded.filter(isHalfCancelled).map(({ delivery }) => keyOf(delivery)));
  }
  if (!marked) await store.project([], mark);
};

const markOf = ({ deliveries, source: { source, incarnation } }: Batch): Mark | undefined => {
  const last = deliveries.reduce<Delivery | undefined>((a, b) => (a && a.seq > b.seq ? a : b), undefined);
  return last && { stream: last.stream, source, incarnation, revision: last.seq, digest: digestOf(last.data) };
};

/** Anybody may have written under any key. */
const loggedKeyChars = 300;

/** Dead-letters what a delivery holds; throws where that cannot be done now. */
type Refuse = (delivery: Delivery, kind: 'garbage' | 'refused', message: string) => Promise<void>;

const refusing =
  ({ queue, log, metrics }: ProjectOptions, incarnation: string): Refuse =>
  async (delivery, kind, message) => {
    const { seq: revision, data } = delivery;
    const letter = { key: keyOf(delivery), incarnation, revision, message, data };
    const key = letter.key.slice(0, loggedKeyChars);
    try {
      if ((await publishRefused(queue, letter)) === 'there') return;
      log.warn({ key, revision, message }, 'a record cannot be projected: dead-lettered');
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      log.error({ err: error, key, revision, message }, 'a record cannot be projected, nor dead-lettered');
    }
    metrics.projectionRefused.labels(kind).inc();
  };

/** Rows in portions that make a transaction each, read as they are needed: values may be large. */
async function* chunks(
  options: ProjectOptions,
  { deliveries, source: { incarnation }, chunkRows }: Batch,
  refuse: Refuse,
) {
  const gone = (blob: string): void =>
    options.log.warn({ blob }, 'a value is gone or damaged: its task is projected without it');
  const load = async (delivery: Delivery): Promise<Loaded | undefined> => {
    const decoded = decodeEntry(keyOf(delivery), delivery.data);
    if (decoded.type === 'garbage') {
      await refuse(delivery, 'garbage', decoded.why);
      return undefined;
    }
    const at = { incarnation, revision: delivery.seq };
    try {
      return { delivery, row: await taskRow({ text: options.text, gone }, decoded.record, at) };
    } catch (error) {
      if (passes(error)) throw error;
      // As JSON that is nested too deep to be written again: it holds up nobody else's row.
      await refuse(delivery, 'refused', `no row can be made of it: ${summarise(error).message}`);
      return undefined;
    }
  };
  const found = latest(deliveries);
  let loaded: Loaded[] = [];
  let chars = 0;
  for (let at = 0; at < found.length; at += loadRows) {
    const read = await Promise.all(found.slice(at, at + loadRows).map(load));
    const some = read.filter((each) => each !== undefined);
    loaded.push(...some);
    chars += some.reduce((sum, { row }) => sum + rowSize(row), 0);
    const last = at + loadRows >= found.length;
    if (!last && loaded.length < chunkRows && chars < chunkChars) continue;
    yield { loaded, last };
    [loaded, chars] = [[], 0];
  }
}

/** The last delivery of each key, without those that say that a key is gone: history keeps what was. */
const latest = (deliveries: readonly Delivery[]): readonly Delivery[] => {
  const byKey = new Map<string, Delivery>();
  for (const delivery of deliveries) {
    const other = byKey.get(delivery.subject);
    if (!isMarker(delivery) && (!other || delivery.seq > other.seq)) byKey.set(delivery.subject, delivery);
  }
  return [...byKey.values()];
};
