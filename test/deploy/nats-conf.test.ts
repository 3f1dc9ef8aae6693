import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, inject, onTestFinished, test, vi } from 'vitest';
import { startChild } from '../../src/dev/child.ts';
import { spawnNode } from '../cluster/node.ts';
import { scratch } from '../setup/scratch.ts';

vi.setConfig({ testTimeout: 60_000 });

const file = fileURLToPath(new URL('../../deploy/nats.conf', import.meta.url));

test('nats-server takes the configuration that we ship', async () => {
  const { stderr } = await promisify(execFile)(inject('natsServer'), ['-t', '-c', file]);
  expect(stderr).toContain('configuration file');
  expect(stderr).toContain('is valid');
});

test('it syncs before it acknowledges, and listens to this machine only', async () => {
  const lines = (await readFile(file, 'utf8')).split('\n').map((line) => line.trim());
  expect(lines).toContain('sync_interval: always');
  expect(lines.filter((line) => /^(listen|http):/.test(line)).every((line) => line.includes('"127.0.0.1:'))).toBe(true);
});

/** Ours, but for the places that a test must leave alone; `change` is made to its text. */
const started = async (change: (text: string) => string = (text) => text): Promise<string> => {
  const dir = await scratch('troupe-test-');
  const config = join(dir, 'nats.conf');
  const text = (await readFile(file, 'utf8'))
    .replace('listen: "127.0.0.1:4222"', 'listen: "127.0.0.1:-1"')
    .replace(/^http: .*$/m, '')
    .replace('"/var/lib/nats"', JSON.stringify(dir));
  await writeFile(config, change(text));
  const child = await startChild({
    command: inject('natsServer'),
    args: ['-c', config],
    log: join(dir, 'log'),
    ready: /Listening for client connections on \S+:(\d+)\n[^]*Server is ready/,
    orphanSignal: 'KILL',
  });
  onTestFinished(async () => {
    await child.kill('SIGKILL');
    await rm(dir, { recursive: true, force: true });
  });
  return `nats://127.0.0.1:${child.ready[1]}`;
};

const TROUPE_APP = fileURLToPath(new URL('../../examples/minimal.ts', import.meta.url));
const nodeOn = (url: string) => spawnNode({ TROUPE_APP, NATS_URL: url, DATABASE_URL: 'none', HTTP_PORT: '0' });

test('a node runs on it as it is', async () => {
  const node = nodeOn(await started());
  await node.logged('the node runs');
});

test.each([
  ['too few deliveries in hand', /max_ack_pending: \d+/, 'max_ack_pending: 20000', /raise max_ack_pending/],
  ['too little space', /max_file: \w+/, 'max_file: 500MB', /raise max_file .* or lower TROUPE_QUEUE_BYTES/],
])('a node that is allowed %s says what to raise, and exits with 2', async (_, was, is, remedy) => {
  const node = nodeOn(await started((text) => text.replace(was, is)));
  expect(await node.exit).toBe(2);
  expect(node.lines.join('\n')).toMatch(remedy);
});
