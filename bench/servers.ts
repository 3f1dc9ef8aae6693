/** The servers that the contestants need, each on 127.0.0.1, in a directory that goes with it. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { type Child, startChild } from '../src/dev/child.ts';
import { freePort } from '../src/dev/free-port.ts';
import { startNatsServer } from '../src/dev/nats-server.ts';
import { startPostgres } from '../src/dev/postgres.ts';
import type { Server } from '../src/dev/server.ts';
import type { Sync } from './work.ts';

/** Calls `use` with a new directory, and removes it. */
export const withDir = async <Result>(use: (dir: string) => Promise<Result>): Promise<Result> => {
  const dir = await mkdtemp(join(tmpdir(), 'troupe-bench-'));
  try {
    return await use(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
};

/** An empty nats-server. */
export const withNats = <Result>(sync: Sync, use: (nats: Server, dir: string) => Promise<Result>): Promise<Result> =>
  withDir(async (dir) => {
    const nats = await startNatsServer({ dir, syncInterval: sync === 'lazy' ? '1s' : 'always' });
    try {
      return await use(nats, dir);
    } finally {
      await nats.kill();
    }
  });

/** What `redis-server` says of itself; `undefined` without one on PATH. */
export const redisVersion = async (): Promise<string | undefined> => {
  const found = await promisify(execFile)('redis-server', ['--version']).catch(() => undefined);
  return /v=(\S+)/.exec(found?.stdout ?? '')?.[1];
};

/** An empty Redis that keeps what it has taken as well as BullMQ's pages advise. */
export const withRedis = <Result>(sync: Sync, use: (port: number) => Promise<Result>): Promise<Result> =>
  withDir(async (dir) => {
    const port = await freePort();
    const appendfsync = sync === 'lazy' ? 'everysec' : 'always';
    const settings = {
      port,
      bind: '127.0.0.1',
      dir,
      appendonly: 'yes',
      appendfsync,
      save: '',
      'maxmemory-policy': 'noeviction',
    };
    const redis = await startChild({
      command: 'redis-server',
      args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
      log: join(dir, 'redis.log'),
      ready: /Ready to accept connections/,
      orphanSignal: 'KILL',
    });
    try {
      return await use(port);
    } finally {
      await redis.kill('SIGKILL');
    }
  });

/** What is there beside NATS. */
export interface Means {
  readonly redis: boolean;
  readonly history: History | undefined;
}

/** Where Troupe's history goes. */
export interface History {
  /** An empty database. */
  create(): Promise<string>;
  stop(): Promise<void>;
}

/** A Postgres with its own defaults; throws UnavailableError where there is none to be had. */
export const startHistory = async (dir: string): Promise<History> => {
  const postgres = await startPostgres({ dir });
  let count = 0;
  return {
    create: async () => {
      const name = `bench_${++count}`;
      const admin = new Client({ connectionString: postgres.url });
      await admin.connect();
      await admin.query(`CREATE DATABASE ${name}`);
      await admin.end();
      return postgres.url.replace(/\/postgres$/, `/${name}`);
    },
    stop: () => postgres.stop(),
  };
};

export interface NodeOptions {
  readonly nats: string;
  /** `none`: without projection. */
  readonly database: string;
  /** Gets its log. */
  readonly dir: string;
  readonly name?: string;
  /** What it runs, of this folder; `app.ts`. */
  readonly app?: string;
}

const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** A node as in production, its log's level and its port aside. */
export const startNode = ({ nats, database, dir, name = 'bench', app = 'app.ts' }: NodeOptions): Promise<Child> =>
  startChild({
    command: process.execPath,
    args: [path('../dist/node.js')],
    log: join(dir, `${name}.log`),
    ready: /the node runs/,
    orphanSignal: 'KILL',
    env: {
      ...process.env,
      NATS_URL: nats,
      DATABASE_URL: database,
      HTTP_PORT: '0',
      TROUPE_APP: path(app),
      TROUPE_NODE: name,
    },
  });

/** Makes the streams and buckets that producers find. */
export const provision = async (options: NodeOptions): Promise<void> => {
  const node = await startNode({ ...options, name: 'provisioner' });
  await node.kill('SIGTERM');
};
