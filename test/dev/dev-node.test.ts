import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { expect, onTestFinished, test, vi } from 'vitest';
import { spawnNode } from '../cluster/node.ts';
import { freshNats } from '../setup/servers.ts';
import { folder } from './npm-start.ts';

vi.setConfig({ testTimeout: 60_000 });

const TROUPE_APP = fileURLToPath(new URL('../../examples/minimal.ts', import.meta.url));

test('a node with --dev says where its Postgres is, and a second one how to have servers of its own', async () => {
  const dir = await folder();
  const ofAnotherServer = { NATS_CA: '/nothing', NATS_USER: 'me' };
  const env = { TROUPE_APP, TROUPE_DEV_DIR: dir, HTTP_PORT: '0', ...ofAnotherServer };
  const node = spawnNode(env, ['--dev']);
  const started = await node.logged('started beside this node');
  const file = join(dir, 'postgres.url');
  expect(started).toContain(file);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const db = new pg.Client(await readFile(file, 'utf8'));
  await db.connect();
  onTestFinished(() => db.end());
  expect((await db.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  expect(started).not.toContain(new URL(await readFile(file, 'utf8')).password);
  await node.logged('the node runs');

  const second = spawnNode(env, ['--dev']);
  expect(await second.exit).toBe(1);
  expect(second.lines.join('\n')).toContain('choose another directory (TROUPE_DEV_DIR');
});

test('a node without a database says once that there is no history', async () => {
  const { url } = await freshNats();
  const node = spawnNode({ TROUPE_APP, NATS_URL: url, DATABASE_URL: 'none', HTTP_PORT: '0' });
  await node.logged('the node runs');
  expect(node.lines.filter((line) => line.includes('keeps no history'))).toHaveLength(1);
});
