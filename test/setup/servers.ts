/** Servers for a test file's own use. Each goes away by itself: at the end of the test that made it, else of the file. */
import pg from 'pg';
import { afterAll, inject, onTestFinished } from 'vitest';
import type { Server } from '../../src/dev/server.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import { backend, type NatsOptions } from './backend.ts';

const untilFileEnds: Array<() => Promise<void>> = [];
afterAll(async () => {
  for (const clean of untilFileEnds.splice(0).reverse()) await clean();
});

const atTheEnd = (clean: () => Promise<void>): void => {
  try {
    onTestFinished(clean);
  } catch {
    // Not inside a test but in `beforeAll`, or at the top of the file.
    untilFileEnds.push(clean);
  }
};

/** A nats-server of your own, empty, with JetStream: to fill, stop, kill and restart as you like. */
export const freshNats = async (options: NatsOptions = {}): Promise<Server> => {
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
