/**
 * What `--dev` and `npm start` bring: a real nats-server, a real Postgres and a simulated model, each only where none is
 * configured.
 */
import { join } from 'node:path';
import { onFreePort } from './free-port.ts';
import type { Limits } from './model-window.ts';
import { type ModelServer, startModelServer } from './model-server.ts';
import { findNatsServer, startNatsServer } from './nats-server.ts';
import { startPostgres } from './postgres.ts';
import type { Server } from './server.ts';

export interface EmbedOptions {
  /** Settings that are there already: `NATS_URL`, `DATABASE_URL`, and `OPENAI_API_KEY` or `OPENAI_BASE_URL`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where they keep their files; made if it is not there. */
  readonly dir: string;
  /** What the simulated model allows; everything by default. Not called where a model is configured. */
  readonly modelLimits?: () => Promise<Limits>;
  /** What is being waited for, in the order of its coming. */
  readonly told?: (text: string) => void;
}

export interface Embedded {
  /** Undefined where one is configured. */
  readonly nats: Server | undefined;
  readonly postgres: Server | undefined;
  readonly model: ModelServer | undefined;
  /** The settings that were missing. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

/** Where `nats` looks for one by itself, if that is free; else the next port. */
export const natsPort = 4222;

const startNats = async (dir: string, told: EmbedOptions['told']): Promise<Server> => {
  const binary = await findNatsServer(told);
  return onFreePort(natsPort, (port) =>
    startNatsServer({ dir: join(dir, 'nats'), port, binary, syncInterval: 'always' }),
  );
};

const startModel = async (limits: EmbedOptions['modelLimits']): Promise<ModelServer> =>
  startModelServer(limits ? { limits: await limits() } : {});

/** Throws UnavailableError where one cannot be had, ConflictError where another one has its files. */
export const embed = async ({ env, dir, modelLimits, told }: EmbedOptions): Promise<Embedded> => {
  const started: { stop(): Promise<void> }[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()));
  };
  const tracked = async <T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> => {
    const server = await starting;
    started.push(server);
    return server;
  };
  const realModel = env['OPENAI_API_KEY'] || env['OPENAI_BASE_URL'];
  const configured = Promise.resolve(undefined);
  const all = [
    env['NATS_URL'] ? configured : tracked(startNats(dir, told)),
    env['DATABASE_URL'] ? configured : tracked(startPostgres({ dir: join(dir, 'postgres') })),
    realModel ? configured : tracked(startModel(modelLimits)),
  ] as const;
  try {
    const [nats, postgres, model] = await Promise.all(all);
    return { nats, postgres, model, env: settings({ nats, postgres, model }), stop };
  } catch (error) {
    await Promise.allSettled(all); // So that nothing starts after the end.
    await stop();
    throw error;
  }
};

const settings = ({ nats, postgres, model }: Pick<Embedded, 'nats' | 'postgres' | 'model'>): Embedded['env'] => ({
  ...(nats && { NATS_URL: nats.url }),
  ...(postgres && { DATABASE_URL: postgres.url }),
  ...(model && { OPENAI_BASE_URL: model.url, OPENAI_API_KEY: 'simulated' }),
});
