/** How far history is behind: what the projector's consumer has not settled, and since when. */
import type { Queue } from '../bus/queue.ts';
import { buckets, consumers, streams, subjects } from '../bus/subjects.ts';

export interface Lag {
  /** Records that are not in the store. */
  readonly pending: number;
  /** Age of the oldest of them in ms, and so no less than that of the oldest terminal one; 0 if there is none. */
  readonly behindMs: number;
}

export interface LagGauge {
  /** Asks. Throws `UnavailableError`, `TimeoutError` and `NotFoundError`. */
  readonly read: () => Promise<Lag>;
  /** What was read last, aged since: without an answer it goes on aging. */
  readonly behindMs: () => number;
  /** Records that were stored at `at`, or later, stand at `revision`, or before, by now: they are no younger for that. */
  readonly storedAnew: (at: number, revision: number) => void;
}

export const recordsPrefix = subjects.entry(buckets.tasks, '');
/** Of the bucket's stream: what is projected. */
export const recordsFilter = `${recordsPrefix}>`;

const stream = streams.bucket(buckets.tasks);

export const lagGauge = (queue: Queue): LagGauge => {
  let oldestAt: number | undefined;
  let floor = 0;
  let anew: { readonly at: number; readonly revision: number } | undefined;

  const read = async (): Promise<Lag> => {
    const { pending, ackPending, ackFloor } = await queue.consumerInfo(stream, consumers.projector);
    const unsettled = pending + ackPending;
    // A floor that is lower is that of another history.
    if (unsettled === 0 || ackFloor < floor || (anew && anew.revision <= ackFloor)) anew = undefined;
    floor = ackFloor;
    const at = unsettled === 0 ? undefined : await firstAt(queue, ackFloor + 1);
    oldestAt = at && anew ? Math.min(at, anew.at) : at;
    return { pending: unsettled, behindMs: behindMs() };
  };

  const behindMs = (): number => (oldestAt === undefined ? 0 : Math.max(0, queue.now() - oldestAt));

  return {
    read,
    behindMs,
    storedAnew: (at, revision) => {
      anew = { at: Math.min(at, anew?.at ?? at), revision: Math.max(revision, anew?.revision ?? revision) };
    },
  };
};

/** When the first message from `seq` on was stored. */
const firstAt = async (queue: Queue, seq: number): Promise<number | undefined> => {
  const found = Promise.withResolvers<number | undefined>();
  const reading = await queue.tail(stream, {
    filter: recordsFilter,
    from: { seq },
    headersOnly: true,
    deliver: ({ at }) => found.resolve(at),
    caughtUp: () => found.resolve(undefined),
  });
  return found.promise.finally(() => reading.unsubscribe());
};
