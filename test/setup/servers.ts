/** Servers for a test file's own use. Each goes away by itself: at the end of the test that made it, else of the file. */
import pg from 'pg';
import { inject } from 'vitest';
import type { Server } from '../../src/dev/server.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import { backend, type Disposable, type NatsOptions } from './backend.ts';
import { atTheEnd } from './endings.ts';

/** A nats-server of your own, empty, with JetStream: to fill, stop, kill and restart as you like. */
export const freshNats = async (options: NatsOptions = {}): Promise<Disposable> => {
  const { nats } = await backend();
  const server = await nats({ binary: inject('natsServer'), ...options });
  atTheEnd(server.remove);
  return server;
};

/** A Postgres of your own, to stop, kill and restart; takes a second. Where a database is enough: `freshDatabase`. */
export const freshPostgres = async (): Promise<Server> => {
  const { postgres } = await backend();
  const server = await postgres();
  atTheEnd(server.remove);
  return server;
};

const asSuperuser = async (statement: string): Promise<void> => {
  const client = new pg.Client(inject('postgresUrl'));
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
};

/** The URL of an empty database of your own, on the suite's Postgres. */
export const freshDatabase = async (): Promise<string> => {
  const name = `test_${systemRandom.id()}`;
  await asSuperuser(`create database "${name}"`);
  atTheEnd(() => asSuperuser(`drop database "${name}" with (force)`));
  return Object.assign(new URL(inject('postgresUrl')), { pathname: name }).href;
};
