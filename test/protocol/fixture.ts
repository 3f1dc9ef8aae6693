/**
 * Where the schedules that broke earlier drafts are replayed: the runtime as it is, on a nats-server and on the broker in
 * memory. Nodes can be made to stop at an exact point: what they are given of the world is wrapped, not what they do.
 */
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import { defineApp, schedule } from '../../src/app/app.ts';
import type { TaskCtx } from '../../src/app/context-types.ts';
import { resolveApp } from '../../src/app/resolve.ts';
import { defineTask } from '../../src/app/task.ts';
import type { Duration } from '../../src/kernel/duration.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { buckets, streams } from '../../src/bus/subjects.ts';
import { bucket } from '../../src/kv/bucket.ts';
import { topology } from '../../src/task/topology.ts';
import { provision } from '../../src/actors/provisioner.ts';
import { type MemoryStore, memoryStore } from '../../src/store/memory.ts';
import type { Envelope } from '../../src/task/envelope.ts';
import { decodeRecord, isTerminal, type Json, type TaskRecord } from '../../src/task/record.ts';
import { submitTask } from '../../src/task/submit.ts';
import { outgoing } from '../task/world.ts';
import { type BootOptions, type Ground, node, type Settings } from './node.ts';

export type Handler = (ctx: TaskCtx, input: Json) => Promise<unknown>;

export interface WorldOptions {
  readonly run: Handler;
  readonly retry?: { readonly max?: number; readonly backoff?: { readonly first?: Duration; readonly max?: Duration } };
  readonly ackWaitMs?: number;
  readonly recordLifeMs?: number;
  readonly queueBytes?: number;
  readonly graceMs?: number;
  /** Of each node and pool. */
  readonly workers?: number;
  /** Fires task `t` by itself. */
  readonly every?: { readonly period: Duration; readonly overlap?: 'skip' | 'allow' };
}

const mb = 1024 * 1024;

/** Submits of task `t`. */
export interface Submit {
  readonly input?: Json;
  readonly lane?: 'high' | 'normal' | 'low';
  readonly pool?: string;
  readonly envelope?: Partial<Envelope>;
}

export const world = async (ground: Ground, options: WorldOptions) => {
  const { clock, random, eventually } = ground;
  const store: MemoryStore = memoryStore();
  const { run, retry = {}, workers = 2 } = options;
  const settings: Settings = {
    region: 'main',
    ackWaitMs: options.ackWaitMs ?? 1_000,
    graceMs: options.graceMs ?? 500,
    recordLifeMs: options.recordLifeMs ?? 3_600_000,
    queueBytes: options.queueBytes ?? 64 * mb,
    replicas: 1,
  };
  const t = defineTask({
    name: 't',
    input: z.unknown(),
    output: z.unknown(),
    retry,
    run: (ctx, input) => run(ctx, input as Json) as Promise<object | void>, // JSON, by way of the edge and the journal.
  });
  const pool = { workers: { min: workers, max: workers } };
  const schedules = options.every
    ? [
        schedule(t, {
          name: 'tick',
          cron: { every: options.every.period },
          input: null,
          overlap: options.every.overlap ?? 'skip',
        }),
      ]
    : [];
  const app = resolveApp(defineApp({ tasks: [t], pools: { default: pool, other: pool }, schedules }));

  const boot = (name: string, how?: BootOptions) => node({ ground, app, store, settings }, name, how);

  const plain = await ground.connect('plain');
  onTestFinished(() => plain.bus.close());
  const plan = topology({
    region: 'main',
    pools: [...app.pools.values()].map(({ name, queue }) => ({ name, tasksMax: queue.max })),
    ackWaitMs: settings.ackWaitMs,
    replicas: 1,
    workBytes: settings.queueBytes,
  });
  const provisioned = (): Promise<void> => provision(plain.queue, plan, silentLog);
  await eventually(provisioned());
  const records = bucket(plain.queue, buckets.tasks);
  const submit = (id: string, { input = null, ...rest }: Submit = {}) => {
    const ports = { ...plain, records, clock, random, region: 'main' };
    return eventually(submitTask(ports, outgoing(ports, { id, input, ...rest }), true));
  };

  let over = false;
  onTestFinished(() => {
    over = true;
  });
  /** Asks until the answer is the one that is waited for. */
  const until = <T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> => {
    const again = async (): Promise<T> => {
      for (;;) {
        const answer = await ask();
        if (wanted(answer)) return answer;
        if (over) throw new Error('the test is over');
        await ground.pause();
      }
    };
    return eventually(again());
  };
  const recordOf = async (id: string): Promise<TaskRecord | undefined> => {
    const entry = await records.get(`t.${id}`);
    return entry && decodeRecord(entry.value);
  };
  const record = (id: string) => eventually(recordOf(id));
  /** The task's record once it is like this; by default, once it has ended. */
  const becomes = (id: string, like: (record: TaskRecord) => boolean = isTerminal): Promise<TaskRecord | undefined> =>
    until(
      () => recordOf(id),
      (found) => found !== undefined && like(found),
    );
  const messages = async (stream: string) => (await plain.queue.streamInfo(stream)).messages;
  /** Once nothing is stored any more that could run. */
  const drained = async (): Promise<void> => {
    const work = ['default', 'other'].map((name) => streams.work('main', name));
    for (const stream of [streams.inbox, streams.sched, ...work])
      await until(
        () => messages(stream),
        (left) => left === 0,
      );
  };
  const letters = async (): Promise<readonly string[]> =>
    [...(await eventually(plain.queue.subjects(streams.dlq, 'dlq.>'))).keys()].toSorted();

  return {
    ...plain,
    clock,
    random,
    eventually,
    store,
    records,
    boot,
    provisioned,
    submit,
    until,
    record,
    becomes,
    messages,
    drained,
    letters,
  };
};

export type World = Awaited<ReturnType<typeof world>>;
