/** What the contract suites need of an adapter, and the few words they are written in. */
import type { Blobs } from '../../src/bus/blobs.ts';
import type { Bus } from '../../src/bus/bus.ts';
import type { ConsumerSpec, Delivery, Queue, StreamSpec } from '../../src/bus/queue.ts';
import type { Clock } from '../../src/kernel/clock.ts';

export interface Link {
  readonly bus: Bus;
  readonly queue: Queue;
  readonly blobs: Blobs;
}

/** An empty server. */
export interface World {
  readonly clock: Clock;
  /** Another connection to it. Closed by itself when the test ends. */
  connect(): Promise<Link>;
  /** The promise, while time goes on: by itself where it is real, or else driven until the promise has settled. */
  eventually<T>(promise: Promise<T>): Promise<T>;
}

/** Called once in each test. */
export type Make = () => Promise<World>;

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array | undefined): string | undefined => data && new TextDecoder().decode(data);

/** Things that happen, to wait for. */
export interface Collected<T> {
  readonly items: readonly T[];
  readonly push: (item: T) => void;
  /** Resolves with all of them once there are that many. */
  count(least: number): Promise<readonly T[]>;
}

export const collect = <T>(): Collected<T> => {
  const items: T[] = [];
  const waiting = new Set<{ readonly least: number; readonly resolve: (items: readonly T[]) => void }>();
  return {
    items,
    push: (item) => {
      items.push(item);
      for (const each of waiting) {
        if (items.length < each.least) continue;
        waiting.delete(each);
        each.resolve(items);
      }
    },
    count: (least) =>
      new Promise((resolve) => {
        if (items.length >= least) resolve(items);
        else waiting.add({ least, resolve });
      }),
  };
};

export type Ended = readonly [left: number, reason: 'empty' | 'lost'];

/** A consumer whose every word is collected. */
export const consuming = (queue: Queue, stream = 'WORK', name = 'all') => {
  const deliveries = collect<Delivery>();
  const ends = collect<Ended>();
  const consumer = queue.consume(stream, name, {
    deliver: deliveries.push,
    ended: (left, reason) => ends.push([left, reason]),
  });
  return { deliveries, ends, ...consumer };
};

export const work: StreamSpec = { name: 'WORK', subjects: ['work.>'], keep: 'work' };
export const log: StreamSpec = { name: 'LOG', subjects: ['log.>'], keep: 'limits' };
export const latest: StreamSpec = { name: 'LATEST', subjects: ['latest.>'], keep: 'last' };
export const sched: StreamSpec = { name: 'SCHED', subjects: ['sched.>', 'due.>'], keep: 'work', schedules: true };

export const all: ConsumerSpec = {
  stream: 'WORK',
  name: 'all',
  filter: 'work.>',
  ackWaitMs: 1_000,
  maxAckPending: 100,
};
