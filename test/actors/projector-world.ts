/** A bucket of records, a projector beside it, and what its tests say about both. */
import { expect } from 'vitest';
import { lagGauge } from '../../src/actors/projector-lag.ts';
import { projector, projectorConsumers, type ProjectorOptions } from '../../src/actors/projector.ts';
import type { Blobs } from '../../src/bus/blobs.ts';
import type { Queue } from '../../src/bus/queue.ts';
import { buckets, streams, subjects, taskKey } from '../../src/bus/subjects.ts';
import type { Clock } from '../../src/kernel/clock.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import type { VirtualClock } from '../../src/kernel/virtual-clock.ts';
import { bucket } from '../../src/kv/bucket.ts';
import type { Store } from '../../src/store/store.ts';
import type { TaskRecord } from '../../src/task/record.ts';
import { completed, firstRecord } from '../../src/task/transitions.ts';

export const type = 'summarise';
export const created = Date.UTC(2026, 0, 1);

export const record = (id: string, change: Partial<TaskRecord> = {}): TaskRecord => ({
  ...firstRecord({
    id,
    type,
    route: { pool: 'default', lane: 'normal', partition: '0' },
    inputHash: 'h',
    submittedAt: created,
  }),
  ...change,
});

export const done = (id: string, result: TaskRecord['result'] = { text: 'done' }): TaskRecord =>
  completed(record(id, { attempt: 1 }), result, created + 1_000);

const ackWaitMs = 30_000;

/** The promise, while the clock is moved on for it. */
export const driven = async <Value>(clock: VirtualClock, promise: Promise<Value>): Promise<Value> => {
  let settled = false;
  const end = (): void => {
    settled = true;
  };
  void promise.then(end, end); // The caller has the promise itself.
  while (!settled) await clock.advance(10);
  return promise;
};

/** The streams and consumers that the projector needs. */
export const provision = async (queue: Queue): Promise<void> => {
  await queue.ensureStream({ name: streams.bucket(buckets.tasks), subjects: ['$KV.tasks.>'], keep: 'last' });
  await queue.ensureStream({ name: streams.dlq, subjects: [subjects.dlqs], keep: 'limits' });
  for (const spec of projectorConsumers(ackWaitMs)) await queue.ensureConsumer(spec);
};

export interface Parts {
  readonly queue: Queue;
  readonly blobs: Blobs;
  readonly store: Store;
  readonly clock: Clock;
}

/** Writes records, which forget themselves after `ttlMs` if that is given; answers the revision of the last. */
export const writing = (queue: Queue, ttlMs?: number) => {
  const records = bucket(queue, buckets.tasks);
  return {
    put: async (...all: readonly TaskRecord[]): Promise<number> => {
      // As it is, with what `encodeRecord` would not let through.
      const bytes = (each: TaskRecord): Uint8Array => Buffer.from(JSON.stringify(each));
      const revisions = all.map((each) =>
        records.put(taskKey(each.type, each.id), bytes(each), ttlMs === undefined ? {} : { ttlMs }),
      );
      return Math.max(...(await Promise.all(revisions)));
    },
    garbage: (key: string, text: string): Promise<number> => records.put(key, new TextEncoder().encode(text)),
  };
};

/** Starts one; `stop` resolves when it has ended. */
export const running = async (parts: Parts, options: Partial<ProjectorOptions> = {}) => {
  const metrics = createMetrics();
  const life = new AbortController();
  const start = projector({ ...parts, random: systemRandom, log: silentLog, metrics, ackWaitMs, ...options });
  const { exit } = await start(life.signal);
  const stop = (): Promise<void> => {
    life.abort();
    return exit;
  };
  return { lag: lagGauge(parts.queue).read, metrics, exit, stop };
};

/** The value of a metric without labels, or of one of its series. */
export const metric = async (metrics: ReturnType<typeof createMetrics>, name: string): Promise<number> => {
  const line = (await metrics.text()).split('\n').find((each) => each.startsWith(`troupe_${name} `));
  return Number(line?.split(' ')[1] ?? 0);
};

/** History says what the bucket says: every record that is there, at its revision. */
export const expectEqual = async (queue: Queue, store: Store, ids: readonly string[]): Promise<void> => {
  const entries = await bucket(queue, buckets.tasks).getMany(ids.map((id) => taskKey(type, id)));
  for (const id of ids) {
    const row = await store.task(type, id);
    expect({ id, revision: row?.revision }).toEqual({ id, revision: entries.get(taskKey(type, id))?.revision });
  }
};
