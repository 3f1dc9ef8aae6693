/** Real servers, real nodes, and what became of the tasks: in KV, write by write, and in Postgres. */
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { expect, onTestFinished } from 'vitest';
import { connectNats } from '../../src/bus/nats/connection.ts';
import { createClient } from '../../src/connect.ts';
import type { Server } from '../../src/dev/server.ts';
import { systemClock as clock } from '../../src/kernel/clock.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { systemRandom as random } from '../../src/kernel/random.ts';
import { bucket } from '../../src/kv/bucket.ts';
import { decodeRecord, isTerminal, type TaskRecord } from '../../src/task/record.ts';
import { freshDatabase, freshNats } from '../setup/servers.ts';
import app, { job } from './app.ts';
import { type Ledger, startLedger } from './ledger.ts';
import { type NodeProcess, spawnNode } from './node.ts';

const appFile = fileURLToPath(new URL('app.ts', import.meta.url));

export interface Cluster {
  readonly nats: Server;
  readonly ledger: Ledger;
  readonly records: Records;
  /** What Postgres has. */
  rows(): Promise<readonly Row[]>;
  /** Those that run from the beginning. */
  readonly nodes: readonly NodeProcess[];
  /** Resolves when the node takes work. `env`: what it is given beside, or instead. */
  node(name: string, env?: Readonly<Record<string, string>>): Promise<NodeProcess>;
  /** Submits jobs `<prefix>-0` and so on, or with ids that the client makes; all are accepted. */
  submit(count: number, prefix?: string | null): Promise<void>;
  /** Submits so many, and holds them between their steps until the ledger lets go. */
  hold(count: number): Promise<void>;
}

export interface Row {
  readonly id: string;
  readonly status: string;
  readonly attempt: number;
  readonly result: unknown;
}

/** The records of all jobs as their bucket tells of them, every write. */
export interface Records {
  of(id: string): TaskRecord | undefined;
  readonly all: ReadonlyMap<string, TaskRecord>;
  /** How often each job was written as one that has ended. */
  readonly ends: ReadonlyMap<string, number>;
  /** Resolves when it is so, now or after a write. */
  until(so: () => boolean): Promise<void>;
}

export interface ClusterOptions {
  /** How many nodes run from the beginning: `node-1` and so on. */
  readonly nodes: number;
  /** Of a database; a fresh one by default. */
  readonly database?: string;
  readonly ackWait?: string;
}

export const cluster = async ({ nodes, database, ackWait = '2s' }: ClusterOptions): Promise<Cluster> => {
  const [nats, url, ledger] = await Promise.all([freshNats(), database ?? freshDatabase(), startLedger()]);
  const env = {
    NATS_URL: nats.url,
    DATABASE_URL: url,
    TROUPE_APP: appFile,
    TROUPE_ACK_WAIT: ackWait,
    HTTP_PORT: '0',
    LEDGER_URL: ledger.url,
  };
  const node: Cluster['node'] = async (name, own = {}) => {
    const started = spawnNode({ ...env, TROUPE_NODE: name, ...own });
    await started.logged('the node runs');
    return started;
  };
  const names = Array.from({ length: nodes }, (_, index) => `node-${index + 1}`);
  const running = await Promise.all(names.map((name) => node(name)));
  const client = await createClient({ nats: nats.url, app });
  onTestFinished(() => client.close());
  const submit = async (count: number, prefix: string | null = 'job'): Promise<void> => {
    const items = Array.from({ length: count }, (_, n) => ({
      ...(prefix !== null && { id: `${prefix}-${n}` }),
      input: { n },
    }));
    expect(await client.submitMany(job, items)).toEqual({ accepted: count, duplicates: 0, refused: [] });
  };
  return {
    nats,
    ledger,
    nodes: running,
    records: await follow(nats.url),
    rows: () => rowsIn(url),
    node,
    submit,
    hold: async (count) => {
      ledger.hold('between');
      await submit(count);
      await ledger.held(count);
    },
  };
};

const follow = async (url: string): Promise<Records> => {
  const { bus, queue } = await connectNats({ servers: url, name: 'test', clock, random, log });
  onTestFinished(() => bus.close());
  const all = new Map<string, TaskRecord>();
  const ends = new Map<string, number>();
  const watchers = new Set<() => void>();
  let seen = 0;
  await bucket(queue, 'tasks').watch('>', (_key, entry) => {
    const record = entry && decodeRecord(entry.value);
    // After a reconnect it may tell again what it has told.
    if (!entry || !record || entry.revision <= seen) return;
    seen = entry.revision;
    all.set(record.id, record);
    if (isTerminal(record)) ends.set(record.id, (ends.get(record.id) ?? 0) + 1);
    for (const look of watchers) look();
  });
  const until = (so: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!so()) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      look();
    });
  return { of: (id) => all.get(id), all, ends, until };
};

const rowsIn = async (url: string): Promise<readonly Row[]> => {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return (await client.query<Row>('select id, status, attempt, result from tasks')).rows;
  } finally {
    await client.end();
  }
};

/** How often each step was called that is in the records now: calls that nobody may make again. */
export const recordedCalls = ({ records, ledger }: Cluster): ReadonlyMap<string, number> =>
  new Map(
    [...records.all.values()].flatMap(({ id, steps }) =>
      steps.map(({ name }) => [`${id}.${name}`, ledger.calls.get(`${id}.${name}`) ?? 0] as const),
    ),
  );

/** None of these was called since. */
export const expectNoneAgain = ({ ledger }: Cluster, before: ReadonlyMap<string, number>): void =>
  expect(new Map([...before.keys()].map((key) => [key, ledger.calls.get(key)]))).toEqual(before);

/** Every job ended once, as completed, and Postgres has the same of each. */
export const expectWhole = async ({ records, rows }: Cluster, count: number): Promise<void> => {
  const inKv = [...records.all.values()].map(({ id, status, attempt, result }) => ({ id, status, attempt, result }));
  expect(inKv).toHaveLength(count);
  expect(inKv.filter(({ status }) => status !== 'completed')).toEqual([]);
  expect([...records.ends].filter(([, times]) => times !== 1)).toEqual([]);
  const byId = (a: { readonly id: string }, b: { readonly id: string }): number => (a.id < b.id ? -1 : 1);
  await expect
    .poll(async () => (await rows()).toSorted(byId), { timeout: 15_000, interval: 100 })
    .toEqual(inKv.toSorted(byId));
};
