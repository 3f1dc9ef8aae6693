import { readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { startPostgres } from '../../src/dev/postgres.ts';
import { copyCluster } from '../setup/template.ts';
import { scratch } from '../setup/scratch.ts';

const directory = async () => {
  const dir = await scratch('troupe-postgres-');
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
};

/** A directory in which it has been started before. */
const used = async () => {
  const dir = await directory();
  await copyCluster(dir);
  return dir;
};

const start = async (dir: string) => {
  const server = await startPostgres({ dir });
  onTestFinished(() => server.stop());
  return server;
};

const client = async (url: string) => {
  const connected = new pg.Client(url);
  connected.on('error', () => undefined);
  await connected.connect();
  onTestFinished(() => connected.end().catch(() => undefined));
  return connected;
};

test('what was committed is there again after kill -9 under a busy session and a restart', async () => {
  const server = await start(await used());
  const before = await client(server.url);
  await before.query('create table kept as select 1 as one');
  const busy = before.query('select count(*) from generate_series(1, 1e9)').catch(() => undefined);
  await server.kill();
  expect(server.pid).toBeUndefined();
  await server.restart();
  await busy;
  const after = await client(server.url);
  expect((await after.query('select one from kept')).rows).toEqual([{ one: 1 }]);
});

test('the same directory has the same data and password the next time', async () => {
  const dir = await directory();
  const first = await start(dir);
  const before = await client(first.url);
  await before.query('create table kept as select 1 as one');
  await first.stop();
  const second = await start(dir);
  const after = await client(second.url);
  expect((await after.query('select one from kept')).rows).toEqual([{ one: 1 }]);
  expect(new URL(second.url).password).toBe(new URL(first.url).password);
});

test('a process that has the number of a dead postmaster by now does not keep it from starting', async () => {
  const dir = await used();
  const first = await start(dir);
  await first.kill();
  const pidFile = join(dir, 'data', 'postmaster.pid');
  const stale = (await readFile(pidFile, 'utf8')).split('\n').with(0, String(process.pid));
  await writeFile(pidFile, stale.join('\n'));
  await client((await start(dir)).url);
});

test('a directory that only we can enter is no obstacle to it, although root has it run as another user', async () => {
  const dir = join(await directory(), 'private');
  const server = await start(dir);
  await client(server.url);
  const elsewhere = await readlink(join(dir, 'elsewhere')).catch(() => undefined);
  if (elsewhere !== undefined) onTestFinished(() => rm(elsewhere, { recursive: true }));
  expect(elsewhere !== undefined).toBe(process.getuid?.() === 0);
});

test('a second one in the same directory is refused while the first runs', async () => {
  const dir = await used();
  const server = await start(dir);
  await expect(startPostgres({ dir })).rejects.toThrow(`in use by postgres, process ${server.pid}`);
});
