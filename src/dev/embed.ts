/** What `--dev` brings: a real nats-server and a real Postgres beside the node, for whichever of them is not configured. */
import { join } from 'node:path';
import type { Log } from '../kernel/log.ts';
import { startNatsServer } from './nats-server.ts';
import { startPostgres } from './postgres.ts';

export interface Embedded {
  readonly nats: string;
  readonly database: string;
  stop(): Promise<void>;
}

export interface EmbedOptions {
  /** Addresses of what is there already. */
  readonly nats: string | undefined;
  readonly database: string | undefined;
  /** Where they keep their files; made if it is not there. */
  readonly dir: string;
  readonly log: Log;
}

export const embed = async ({ nats, database, dir, log }: EmbedOptions): Promise<Embedded> => {
  const [broker, postgres] = await Promise.all([
    nats === undefined ? startNatsServer({ dir: join(dir, 'nats'), syncInterval: 'always' }) : undefined,
    database === undefined ? startPostgres({ dir: join(dir, 'postgres') }) : undefined,
  ]);
  if (broker) log.info({ url: broker.url }, 'started a nats-server');
  if (postgres) log.info({ port: postgres.port }, 'started a Postgres');
  return {
    nats: nats ?? broker?.url ?? '',
    database: database ?? postgres?.url ?? '',
    stop: async () => {
      await Promise.all([broker?.stop(), postgres?.stop()]);
    },
  };
};
