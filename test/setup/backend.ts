/** Where the suite's servers run: beside us, or in containers with `TEST_BACKEND=containers`. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startNatsServer } from '../../src/dev/nats-server.ts';
import { startPostgres } from '../../src/dev/postgres.ts';
import type { Server } from '../../src/dev/server.ts';
import { copyCluster } from './template.ts';
import { scratch } from './scratch.ts';

export interface NatsOptions {
  /** When JetStream syncs its files to the disk: `always`, or a duration of nats-server's. */
  readonly syncInterval?: string;
  /** Further lines of nats-server's configuration. */
  readonly config?: string;
  /** Path of nats-server; means nothing to containers. */
  readonly binary?: string;
}

/** A server and its files, which `remove` takes away for good. */
export interface Disposable extends Server {
  /** Kills it, and takes its files away: restarted, it is as on a new disk. For a nats-server. */
  lose(): Promise<void>;
  remove(): Promise<void>;
}

export interface Backend {
  nats(options: NatsOptions): Promise<Disposable>;
  postgres(): Promise<Disposable>;
}

const inDirectory = async (start: (dir: string) => Promise<Server>): Promise<Disposable> => {
  const dir = await scratch('troupe-test-');
  const server = await start(dir);
  const lose = async (): Promise<void> => {
    await server.kill();
    await rm(join(dir, 'jetstream'), { recursive: true });
  };
  const remove = async (): Promise<void> => {
    // It may have been stopped with SIGSTOP, and its files are of no more use.
    await server.kill();
    await rm(dir, { recursive: true, force: true });
  };
  return Object.assign(server, { lose, remove });
};

/** No test cuts the power, so nothing needs a sync; and what a killed one leaves goes with its folder. */
const settings = { fsync: 'off', full_page_writes: 'off', dynamic_shared_memory_type: 'mmap' };

const local: Backend = {
  nats: (options) => inDirectory((dir) => startNatsServer({ dir, ...options })),
  postgres: () =>
    inDirectory(async (dir) => {
      await copyCluster(dir);
      return startPostgres({ dir, settings });
    }),
};

export const backend = async (): Promise<Backend> =>
  process.env['TEST_BACKEND'] === 'containers' ? (await import('./containers.ts')).containers : local;
