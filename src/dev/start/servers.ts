/** What the nodes need around them: a nats-server, a Postgres, a model. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ModelServer, startModelServer } from '../model-server.ts';
import { startNatsServer } from '../nats-server.ts';
import { startPostgres } from '../postgres.ts';
import type { Server } from '../server.ts';
import { freePortFrom } from './ports.ts';

export interface Servers {
  readonly nats: Server;
  readonly postgres: Server;
  /** Absent where the environment names a real one. */
  readonly model: ModelServer | undefined;
  /** Holds Postgres's URL, for `psql "$(cat ...)"`. */
  readonly postgresUrlFile: string;
  /** For the nodes. */
  readonly env: NodeJS.ProcessEnv;
  stop(): Promise<void>;
}

export interface ServersOptions {
  readonly dir: string;
  /** Ours: `OPENAI_API_KEY` or `OPENAI_BASE_URL` in it choose a real model. */
  readonly env: NodeJS.ProcessEnv;
}

/** What the simulated provider allows, about as much as the two nodes can ask for. */
export const modelLimits = {
  requests: { limit: 50, perMs: 1_000 },
  tokens: { limit: 600_000, perMs: 10_000 },
} as const;

/** Throws UnavailableError where one cannot be had, ConflictError where another one has its files. */
export const startServers = async ({ dir, env }: ServersOptions): Promise<Servers> => {
  const started: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((end) => end()));
  };
  const tracked = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const server = await starting;
    started.push(() => server.stop());
    return server;
  };
  const real = Boolean(env['OPENAI_API_KEY'] ?? env['OPENAI_BASE_URL']);
  const all = [
    tracked(
      freePortFrom(4222).then((port) => startNatsServer({ dir: join(dir, 'nats'), port, syncInterval: 'always' })),
    ),
    tracked(startPostgres({ dir: join(dir, 'postgres') })),
    real ? Promise.resolve(undefined) : tracked(startModelServer({ limits: modelLimits })),
  ] as const;
  try {
    const [nats, postgres, model] = await Promise.all(all);
    const postgresUrlFile = join(dir, 'postgres.url');
    await writeFile(postgresUrlFile, postgres.url, { mode: 0o600 });
    const asked = model ? { OPENAI_BASE_URL: model.url, OPENAI_API_KEY: 'simulated' } : {};
    const own = { NATS_URL: nats.url, DATABASE_URL: postgres.url, ...asked };
    return { nats, postgres, model, postgresUrlFile, env: { ...env, ...own }, stop };
  } catch (error) {
    await Promise.allSettled(all); // So that nothing starts after the end.
    await stop();
    throw error;
  }
};
