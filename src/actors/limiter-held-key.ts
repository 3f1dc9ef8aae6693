/**
 * A budget's key in the hands of the limiter that has written itself into it. One write at a time, each over the revision
 * that the one before it came to: so the first that finds another revision there ends the reign.
 */
import type { Bucket } from '../kv/kv.ts';
import type { Grantor } from '../limiter/granting/grantor.ts';
import type { Slice } from '../limiter/granting/slices.ts';
import type { LimiterOptions } from './limiter.ts';
import { writeKey } from './limiter-write.ts';

export interface HeldKeyOptions extends Pick<LimiterOptions, 'budget' | 'clock' | 'random' | 'log' | 'node'> {
  readonly limits: Bucket;
  readonly epoch: number;
  /** By which this limiter has taken over. */
  readonly revision: number;
  readonly leaseMs: number;
  readonly mind: Grantor;
  /** Of the reign, which a write that fails ends. */
  readonly over: AbortController;
  /** A write has come to its end. */
  readonly written: () => void;
}

export interface HeldKey {
  /** How long ago what was known has come into the key, in ms. */
  silentMs(): number;
  /** No write is under way, and none is to follow one. */
  isIdle(): boolean;
  /** Writes the slice, while idle, and opens it then. Never rejects. */
  take(slice: Slice): void;
  /** Whether what is known now has come into the key; if not, the reign is over. Never rejects. */
  keep(): Promise<boolean>;
  /** Resolves when nothing is under way any more. */
  settled(): Promise<unknown>;
  /** Writes nobody into it, after the reign: a successor need not wait until it is sure that this one is gone. Never rejects. */
  handOver(): Promise<void>;
}

export const heldKey = (options: HeldKeyOptions): HeldKey => {
  const { budget, clock, log, epoch, node, leaseMs, mind, over } = options;
  let revision = options.revision;
  let keptAtMs = clock.monotonic();
  let writing: Promise<boolean> | undefined;
  let next: Promise<boolean> | undefined;

  /** Ends the reign, and says so, if the key is another's. */
  const write = async (holder: string, signal: AbortSignal): Promise<boolean> => {
    const now = clock.monotonic();
    const key = { epoch, node: holder, closedMs: mind.closedMs(now), slices: mind.kept(now) };
    const written = await writeKey({ ...options, expected: revision, signal }, key);
    if (written.type === 'lost') {
      over.abort();
      return false;
    }
    revision = written.revision;
    keptAtMs = now;
    return true;
  };

  const saved = async (slice?: Slice): Promise<boolean> => {
    try {
      const isWritten = await write(node, over.signal);
      if (slice && !over.signal.aborted) mind.opened(slice);
      return isWritten;
    } catch (error) {
      if (!over.signal.aborted) log.error({ err: error, budget: budget.name }, 'the key of a budget was not written');
      over.abort();
      return false;
    } finally {
      writing = undefined;
      options.written();
    }
  };

  const save = (slice?: Slice): Promise<boolean> => {
    writing = saved(slice);
    return writing;
  };

  return {
    silentMs: () => clock.monotonic() - keptAtMs,
    isIdle: () => writing === undefined && next === undefined,
    take: (slice) => void save(slice),
    keep: () => {
      if (next) return next;
      if (!writing) return save();
      next = writing.then(() => {
        next = undefined;
        return save();
      });
      return next;
    },
    settled: async () => next ?? writing,
    handOver: async () => {
      const patience = new AbortController();
      const timer = clock.timer(leaseMs, () => patience.abort());
      await write('', patience.signal).catch((error: unknown) =>
        log.debug(
          { err: error, budget: budget.name },
          'a budget was not handed over: others take it over in their time',
        ),
      );
      timer.cancel();
    },
  };
};
