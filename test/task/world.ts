/** A broker in memory with Troupe's streams, on a clock that stands still, and what a worker needs of them. */
import { provision } from '../../src/actors/provisioner.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import type { Delivery } from '../../src/bus/queue.ts';
import { buckets, consumers, type Lane, streams } from '../../src/bus/subjects.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { bucket } from '../../src/kv/bucket.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { Attempt, Executor, Outcome, Runnable } from '../../src/task/executor.ts';
import { type Inbox, inbox } from '../../src/task/inbox.ts';
import { lives } from '../../src/task/lives.ts';
import type { Envelope } from '../../src/task/envelope.ts';
import { inputHash, type Outgoing } from '../../src/task/message.ts';
import type { TaskPorts } from '../../src/task/ports.ts';
import { decodeRecord, type Json, type TaskRecord } from '../../src/task/record.ts';
import type { Found, LookUp } from '../../src/task/lookup.ts';
import { runDelivery } from '../../src/task/run.ts';
import { submitTask } from '../../src/task/submit.ts';
import { topology } from '../../src/task/topology.ts';

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array | undefined): string => new TextDecoder().decode(data);

export interface Submission {
  readonly id: string;
  readonly type?: string;
  readonly input?: Json;
  readonly pool?: string;
  readonly lane?: Lane;
  readonly envelope?: Partial<Envelope>;
}

export const outgoing = (ports: Pick<TaskPorts, 'random'>, submission: Submission): Outgoing => {
  const { id, type = 't', input = null, pool = 'default', lane = 'normal', envelope } = submission;
  return {
    type,
    id,
    route: { pool, lane, partition: '0' },
    payload: bytes(JSON.stringify(input)),
    envelope: { headers: {}, ...envelope },
    hash: inputHash(input),
    nonce: ports.random.nonce(),
  };
};

/** A delivery whose settling nobody looks at. */
export const delivered = (change: Pick<Delivery, 'stream' | 'subject' | 'seq'> & Partial<Delivery>): Delivery => ({
  data: bytes(''),
  headers: {},
  at: 0,
  deliveries: 1,
  pending: 0,
  ack: () => {},
  nak: () => {},
  term: () => {},
  working: () => {},
  ...change,
});

export const completed = (result?: Json): Outcome => ({ type: 'completed', result });
export const failed = (retryAfterMs?: number): Outcome => ({
  type: 'failed',
  error: { code: 'e', message: 'it broke' },
  ...(retryAfterMs !== undefined && { retryAfterMs }),
});

const retry = { max: 3, firstMs: 1_000, factor: 2, maxMs: 60_000 };

/** An app with one task, `t`. */
export const app = (run: (attempt: Attempt) => Promise<Outcome>, policy: Partial<Runnable> = {}): Executor => {
  const safely: Runnable['run'] = (attempt) =>
    run(attempt).catch((error: unknown) => ({ type: 'failed', error: { code: 'e', message: String(error) } }));
  return { task: (type) => (type === 't' ? { timeoutMs: 60_000, retry, run: safely, ...policy } : undefined) };
};

/** Lookups that are answered at once, or never. */
export const answering =
  (found: Found | 'never'): LookUp =>
  () => ({ found: found === 'never' ? new Promise(() => {}) : Promise.resolve(found), drop: () => {} });

export interface WorldOptions {
  readonly recordLifeMs?: number;
  readonly workBytes?: number;
}

export const open = async ({ recordLifeMs = 3_600_000, workBytes = 64 * 1024 * 1024 }: WorldOptions = {}) => {
  const clock = virtualClock();
  const random = seededRandom(1);
  const broker = memoryBroker({ clock, random, log: silentLog });
  const store = memoryStore();
  const pools = ['default', 'slow'];

  /** The promise, while time passes as fast as it may. */
  const eventually = async <T>(promise: Promise<T>): Promise<T> => {
    let over = false;
    const end = (): void => {
      over = true;
    };
    promise.then(end, end);
    await clock.settle();
    while (!over) await clock.advance(clock.nextDueMs === undefined ? 0 : clock.nextDueMs - clock.monotonic());
    return promise;
  };

  /** Another connection, as another process has it. */
  const node = (name = 'node') => {
    const connection = broker.connect();
    const { bus, queue, blobs } = connection;
    const ports: TaskPorts & { readonly inbox: Inbox } = {
      bus,
      queue,
      blobs,
      records: bucket(queue, buckets.tasks),
      history: store,
      clock,
      random,
      log: silentLog,
      metrics: createMetrics(),
      region: 'main',
      recordLifeMs: () => recordLifeMs,
      shortestLifeMs: recordLifeMs,
      inbox: inbox(queue),
    };
    const working = lives();
    const record = async (id: string): Promise<TaskRecord | undefined> => {
      const entry = await ports.records.get(`t.${id}`);
      return entry && decodeRecord(entry.value);
    };
    /** The next delivery of a lane, when there is one. */
    const take = (lane: Lane = 'normal', pool = 'default'): Promise<Delivery> =>
      new Promise((resolve) => {
        const stream = streams.work('main', pool);
        const consumer = queue.consume(stream, consumers.lane(pool, lane), { deliver: resolve, ended: () => {} });
        consumer.pull({ batch: 1, waitMs: 3_600_000 });
      });
    const run = (executor: Executor, delivery: Delivery, found: Found | 'never' = 'absent'): Promise<void> =>
      runDelivery({
        ports,
        executor,
        delivery,
        worker: name,
        lives: working,
        lookUp: answering(found),
        over: () => {},
      });
    return {
      ...connection,
      ports,
      lives: working,
      record,
      take,
      run,
      submit: (submission: Submission) => submitTask(ports, outgoing(ports, submission), true),
    };
  };

  const first = node();
  const plan = topology({
    region: 'main',
    pools: pools.map((name) => ({ name, tasksMax: 1_000 })),
    ackWaitMs: 30_000,
    replicas: 1,
    workBytes,
  });
  await provision(first.queue, plan, silentLog);
  return { clock, broker, store, node, eventually, ...first };
};

export type World = Awaited<ReturnType<typeof open>>;
