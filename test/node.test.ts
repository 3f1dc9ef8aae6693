import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { createClient } from '../src/connect.ts';
import { freePort } from '../src/dev/free-port.ts';
import minimal from '../examples/minimal.ts';
import { script, spawnNode } from './cluster/node.ts';
import { freshDatabase, freshNats, freshPostgres } from './setup/servers.ts';

vi.setConfig({ testTimeout: 60_000 });

const minimalFile = fileURLToPath(new URL('../examples/minimal.ts', import.meta.url));
const nowhere = 'postgres://nobody@127.0.0.1:1/nothing';

/** What a node says that ends by itself, and how. */
const endOf = async (env: Readonly<Record<string, string>>, args: readonly string[] = []) => {
  const node = spawnNode(env, args);
  const code = await node.exit;
  return { code, lines: node.lines, text: node.lines.join('\n') };
};

describe('a node that cannot be', () => {
  test('names every mistake of its configuration at once, and exits with 2', async () => {
    const { code, lines } = await endOf(
      { HTTP_PORT: 'eighty', LOG_LEVEL: 'loud', TROUPE_ACK_WAIT: '1ms', TROUPE_NOD: 'x', NATS_URL: '127.0.0.1' },
      ['--nonsense'],
    );
    expect(code).toBe(2);
    expect(lines[0]).toBe('troupe: invalid configuration');
    expect(lines.slice(1).toSorted()).toEqual([
      expect.stringContaining('DATABASE_URL is not set'),
      expect.stringContaining('HTTP_PORT is "eighty"'),
      expect.stringContaining('LOG_LEVEL is "loud"'),
      expect.stringContaining('NATS_URL is "127.0.0.1"'),
      expect.stringContaining('TROUPE_ACK_WAIT is "1ms": \'1ms\' is out of bounds'),
      expect.stringContaining('TROUPE_NOD is no setting; did you mean "TROUPE_NODE"?'),
      expect.stringContaining("Unknown option '--nonsense'"),
    ]);
  });

  test.each([
    ['is not there', undefined, 'does not load'],
    ['is broken', 'export default {', 'does not load'],
    ['throws', '\nthrow new Error("no key for the model");', /does not load: no key for the model \(.*app\.mjs:2\)/],
    ['imports what throws', 'import "./part.mjs";', /does not load: no part \(.*part\.mjs:2\)/],
    ['exports no app', 'export default { tasks: [] };', 'app.mjs: this is no app'],
    ['exports nothing', 'export const app = 1;', 'app.mjs: this is no app'],
  ])('says so where the module of its app %s, and exits with 2', async (_, source, why) => {
    const dir = await mkdtemp(join(tmpdir(), 'troupe-app-'));
    onTestFinished(() => rm(dir, { recursive: true }));
    const file = join(dir, 'app.mjs');
    if (source !== undefined) await writeFile(file, source);
    await writeFile(join(dir, 'part.mjs'), '\nthrow new Error("no part");');
    const { code, text } = await endOf({ DATABASE_URL: nowhere, NATS_URL: inject('natsUrl') }, ['--app', file]);
    expect(code).toBe(2);
    expect(text).toMatch(/^troupe: /);
    expect(text).toMatch(why);
    expect(text).not.toMatch(/^\s+at /m); // A stack helps nobody here.
  });

  test('says how to name an app where it is installed as a package, without examples', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'troupe-package-'));
    onTestFinished(() => rm(dir, { recursive: true }));
    const root = fileURLToPath(new URL('..', import.meta.url));
    await Promise.all([
      cp(join(root, 'dist'), join(dir, 'dist'), { recursive: true }),
      cp(join(root, 'package.json'), join(dir, 'package.json')),
      symlink(join(root, 'node_modules'), join(dir, 'node_modules')),
    ]);
    const run = promisify(execFile)(process.execPath, [join(dir, 'dist/node.js')], { env: { DATABASE_URL: 'none' } });
    await expect(run).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('TROUPE_APP is not set') });
  });

  test('says that its directory takes no files, and exits with 2', async () => {
    const env = { TROUPE_APP: minimalFile, TROUPE_DEV_DIR: join(minimalFile, 'dev') };
    const { code, text } = await endOf(env, ['--dev']);
    expect(code).toBe(2);
    expect(text).toMatch(/TROUPE_DEV_DIR: .* takes no files: ENOTDIR/);
  });

  test('says in one line that no nats-server answers, and exits with 1', async () => {
    const port = await freePort();
    const env = { DATABASE_URL: nowhere, NATS_URL: `nats://127.0.0.1:${port}`, TROUPE_APP: minimalFile };
    const { code, lines } = await endOf(env);
    expect(code).toBe(1);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`127.0.0.1:${port}`);
  });

  test('says that its port is taken, and exits with 2', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void taken.close());
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo; // it listens on a port, not on a pipe
    const [nats, database] = await Promise.all([freshNats(), freshDatabase()]);
    const env = { DATABASE_URL: database, NATS_URL: nats.url, TROUPE_APP: minimalFile, HTTP_PORT: String(port) };
    const { code, text } = await endOf({ ...env, LOG_LEVEL: 'silent' });
    expect(code).toBe(2);
    expect(text).toContain(`HTTP_PORT: ${port} is taken`);
  });
});

test('an exception that the app throws in a timer of its own is told of, and ends the node with 1', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'troupe-app-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const file = join(dir, 'app.mjs');
  await writeFile(file, `export { default } from '${minimalFile}'; setTimeout(() => { throw new Error('late'); });`);
  const nats = await freshNats();
  const { code, text } = await endOf({ DATABASE_URL: 'none', NATS_URL: nats.url, HTTP_PORT: '0' }, ['--app', file]);
  expect(code).toBe(1);
  expect(text).toContain('nobody caught or answers for: the node ends at once');
  expect(text).toContain('late');
});

test.each(['INBOX', 'KV_limits'])(
  'a node that is asked to stop while it starts, when it has just made %s, does so without an error',
  async (stream) => {
    const nats = await freshNats();
    const nc = await connect({ servers: nats.url });
    onTestFinished(() => nc.close());
    const node = spawnNode({ DATABASE_URL: 'none', NATS_URL: nats.url, HTTP_PORT: '0', TROUPE_APP: minimalFile });
    nc.subscribe(`$JS.EVENT.ADVISORY.STREAM.CREATED.${stream}`, { callback: () => node.kill('SIGTERM') });
    expect(await node.exit).toBe(0);
    expect(node.lines.filter((line) => !line.includes('"level":"info"'))).toEqual([]);
  },
);

test('a node that is asked to stop before it begins to start does so without an error', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'troupe-app-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const file = join(dir, 'app.mjs');
  await writeFile(file, `export { default } from '${minimalFile}'; process.kill(process.pid, 'SIGTERM');`);
  const nats = await freshNats();
  const { code, lines } = await endOf({ DATABASE_URL: 'none', NATS_URL: nats.url, HTTP_PORT: '0' }, ['--app', file]);
  expect(code).toBe(0);
  expect(lines).toEqual([expect.stringContaining('asked to stop while it started')]);
});

/** Runs the entry under what claims to be, or is, another version of Node. */
const under = (command: string, args: readonly string[]): Promise<{ readonly code: unknown; readonly text: string }> =>
  new Promise((resolve) => {
    execFile(command, [...args, script, '--version'], (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, text: stdout + stderr });
    });
  });

test('too old a Node is told so in one line', async () => {
  const old = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.4' } });`;
  const { code, text } = await under(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(old)}`]);
  expect(code).toBe(2);
  expect(text).toMatch(/^troupe needs Node \d+ or later; this is v.*\n$/);
});

test('whatever Node the system has runs it, or is told that it is too old', async () => {
  const { PATH = '' } = process.env;
  const own = PATH.split(':').filter((folder) => !folder.includes('node_modules'));
  const { code, text } = await under('/usr/bin/env', ['-S', `PATH=${own.join(':')}`, 'node']);
  if (code === 0) expect(text).toBe(`${manifest.version}\n`);
  else expect(text).toMatch(/^troupe needs Node|No such file/);
});

test('--help shows every setting, --version the version', async () => {
  const help = await endOf({}, ['--help']);
  expect(help.code).toBe(0);
  for (const word of ['--app', '--dev', 'NATS_URL', 'DATABASE_URL', 'HTTP_PORT', 'LOG_LEVEL', 'TROUPE_APP'])
    expect(help.text).toContain(word);
  expect(await endOf({}, ['--version'])).toMatchObject({ code: 0, text: manifest.version });
});

test('a node whose Postgres is away works all the same, opens no door with HTTP_PORT=0, and projects later', async () => {
  const [nats, postgres] = await Promise.all([freshNats(), freshPostgres()]);
  await postgres.kill();
  const probes = await freePort();
  const doors = { HTTP_PORT: '0', PROBE_PORT: String(probes) };
  const node = spawnNode({ NATS_URL: nats.url, DATABASE_URL: postgres.url, TROUPE_APP: minimalFile, ...doors });
  await node.logged('the node runs');
  const client = await createClient({ nats: nats.url, app: minimal });
  onTestFinished(() => client.close());
  const run = await client.submit('hello', { who: 'you' }, { id: 'early' });
  expect(await run.result()).toEqual({ text: 'Hello, you' });
  expect(postgres.pid).toBeUndefined();
  expect(node.lines.filter((line) => line.includes('the HTTP door is open'))).toEqual([]);
  const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${probes}/metrics`)).text();
  await expect.poll(metrics).toContain('troupe_consumer_pending{stream="WORK_default",consumer="default-normal"} 0');
  expect(await metrics()).toContain('\nprocess_resident_memory_bytes ');

  await postgres.restart();
  const db = new pg.Client(postgres.url);
  await db.connect();
  onTestFinished(() => db.end());
  const row = async (): Promise<unknown> =>
    (await db.query(`select status from tasks where type = 'hello' and id = 'early'`).catch(() => undefined))?.rows;
  await expect.poll(row, { timeout: 30_000, interval: 100 }).toEqual([{ status: 'completed' }]);

  node.kill('SIGTERM');
  expect(await node.exit).toBe(0);
});
