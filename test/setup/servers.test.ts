import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import type { Server } from '../../src/dev/server.ts';
import { freshDatabase, freshNats } from './servers.ts';

let server: Server;
beforeAll(async () => {
  server = await freshNats();
});

test('a fresh nats-server is another than the shared one, and is up for the whole file', async () => {
  expect(server.url).not.toBe(inject('natsUrl'));
  const nc = await connect({ servers: server.url });
  onTestFinished(() => nc.close());
  expect((await (await jetstreamManager(nc)).getAccountInfo()).streams).toBe(0);
});

test('the shared nats-server takes connections', async () => {
  const nc = await connect({ servers: inject('natsUrl') });
  await nc.close();
});

test('a fresh nats-server keeps its messages when it is killed and restarted', async () => {
  const own = await freshNats({ syncInterval: 'always' });
  const nc = await connect({ servers: own.url, reconnectTimeWait: 20, maxReconnectAttempts: -1 });
  onTestFinished(() => nc.close());
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name: 'KEPT', subjects: ['kept'] });
  await own.kill();
  expect(own.pid).toBeUndefined();
  await own.restart();
  const again = await connect({ servers: own.url });
  onTestFinished(() => again.close());
  expect((await (await jetstreamManager(again)).streams.info('KEPT')).config.subjects).toEqual(['kept']);
});

test('a fresh database is empty, and nobody else sees what is made in it', async () => {
  const clients = await Promise.all(
    [await freshDatabase(), await freshDatabase()].map(async (url) => {
      const client = new pg.Client(url);
      await client.connect();
      onTestFinished(() => client.end());
      return client;
    }),
  );
  await Promise.all(clients.map((client) => client.query('create table tasks (id int)')));
  const names = await Promise.all(clients.map((client) => client.query('select current_database()')));
  expect(new Set(names.map(({ rows }) => rows[0].current_database)).size).toBe(2);
});
