/**
 * Waiting for tasks to end, thousands at once. What is announced on `results.<key>` is a hint, so each wait begins with
 * a read, after the subscription, and reads again every few seconds; reads of many waits are one. A task without a
 * record may be queued, or so long over that KV has forgotten it: `find` tells.
 */
import type { Message, Subscription } from '../bus/bus.ts';
import { subjects } from '../bus/subjects.ts';
import type { Timer } from '../kernel/clock.ts';
import { UnavailableError } from '../kernel/errors.ts';
import type { TaskPorts } from './ports.ts';
import { type Asked, type Find, findAgainMs, finder, readAgainMs, reader } from './ends-ask.ts';
import { decodeRecord, isTerminal } from './record.ts';
import { statusOf, type TaskStatus } from './status.ts';

export interface EndsOptions {
  readonly ports: Pick<TaskPorts, 'bus' | 'records' | 'blobs' | 'clock' | 'log'>;
  /** Where a task is that has no record; `undefined` where nobody knows it. */
  readonly find: Find;
}

export interface WaitOptions {
  /** Rejects the wait with its reason. */
  readonly signal?: AbortSignal;
  /** It was accepted just now, so that nobody needs to be asked whether it exists. */
  readonly fresh: boolean;
}

export interface Ends {
  /** The task's status when it has ended; `undefined` if nobody knows it. Rejects with what `blobs` throws. */
  of(recordKey: string, options: WaitOptions): Promise<TaskStatus | undefined>;
  /** Rejects all waits with `UnavailableError`. */
  close(): void;
}

const tickMs = 1_000;
const readsAtOnce = 1_024;

interface Waiter {
  readonly resolve: (status: TaskStatus | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** All waits for one task. */
interface Watch extends Asked {
  readonly waiters: Set<Waiter>;
  readonly subscription: Subscription;
  readAtMs: number;
}

export const ends = ({ ports, find }: EndsOptions): Ends => {
  const { bus, blobs, clock } = ports;
  const watches = new Map<string, Watch>();
  let ticking: Timer | undefined;

  const settle = (watch: Watch, each: (waiter: Waiter) => void): void => {
    if (watches.get(watch.recordKey) !== watch) return;
    watches.delete(watch.recordKey);
    watch.subscription.unsubscribe();
    for (const waiter of watch.waiters) each(waiter);
    if (watches.size > 0) return;
    ticking?.cancel();
    ticking = undefined;
  };
  const end = (watch: Watch, status: TaskStatus | undefined): void => settle(watch, ({ resolve }) => resolve(status));
  const fail = (watch: Watch, error: unknown): void => settle(watch, ({ reject }) => reject(error));

  const finds = finder<Watch>({ ports, find, found: end, wanted: (watch) => watches.get(watch.recordKey) === watch });

  /** Whether there is a record; its end is the wait's. */
  const look = (watch: Watch, value: Uint8Array | undefined): boolean => {
    const record = value && decodeRecord(value);
    if (record && isTerminal(record)) {
      void statusOf(blobs, record).then(
        (status) => end(watch, status),
        (error: unknown) => fail(watch, error),
      );
    }
    return record !== undefined;
  };

  const reads = reader<Watch>(ports, (watch, value) => {
    if (!look(watch, value) && watch.findAtMs <= clock.monotonic()) finds(watch);
  });

  const tick = (): void => reads.now(takeDue(watches, clock.monotonic()));

  const heard = (recordKey: string, { data }: Message): void => {
    const watch = watches.get(recordKey);
    const record = watch && decodeRecord(data);
    if (!watch || !record || !isTerminal(record)) return;
    // A result too large to be announced comes as null, and so does one that is null.
    if (record.result === null) reads.now([watch]);
    else look(watch, data);
  };

  const open = (recordKey: string, fresh: boolean): Watch => {
    const nowMs = clock.monotonic();
    const watch: Watch = {
      recordKey,
      waiters: new Set(),
      subscription: bus.subscribe(subjects.results(recordKey), (message) => heard(recordKey, message)),
      readAtMs: nowMs + readAgainMs,
      findAtMs: fresh ? nowMs + findAgainMs : nowMs,
    };
    watches.set(recordKey, watch);
    reads.soon(watch);
    ticking ??= clock.every(tickMs, tick);
    return watch;
  };

  return {
    of: (recordKey, { signal, fresh }) =>
      waited(signal, (waiter) => {
        const watch = watches.get(recordKey) ?? open(recordKey, fresh);
        watch.waiters.add(waiter);
        return () => {
          watch.waiters.delete(waiter);
          if (watch.waiters.size === 0) end(watch, undefined);
        };
      }),
    close: () => {
      const error = new UnavailableError('the waiting for tasks was closed');
      for (const watch of [...watches.values()]) fail(watch, error);
    },
  };
};

/** Those that are to be read again, which are then the last in line. */
const takeDue = (watches: Map<string, Watch>, nowMs: number): readonly Watch[] => {
  const batch: Watch[] = [];
  // In the order in which they were read last.
  for (const watch of watches.values()) {
    if (watch.readAtMs > nowMs || batch.length === readsAtOnce) break;
    batch.push(watch);
  }
  for (const watch of batch) {
    watch.readAtMs = nowMs + readAgainMs;
    watches.delete(watch.recordKey);
    watches.set(watch.recordKey, watch);
  }
  return batch;
};

/** A promise that its signal can reject. `begin` answers how to leave. */
const waited = (
  signal: AbortSignal | undefined,
  begin: (waiter: Waiter) => () => void,
): Promise<TaskStatus | undefined> =>
  new Promise((resolve, reject) => {
    if (!signal) return void begin({ resolve, reject });
    if (signal.aborted) return reject(signal.reason);
    const abort = (): void => {
      leave();
      reject(signal.reason);
    };
    const unlink = (): void => signal.removeEventListener('abort', abort);
    // What it may throw rejects the promise, before anything is linked to the signal; it calls back in another turn.
    const leave = begin({
      resolve: (status) => {
        unlink();
        resolve(status);
      },
      reject: (error) => {
        unlink();
        reject(error);
      },
    });
    signal.addEventListener('abort', abort, { once: true });
  });
