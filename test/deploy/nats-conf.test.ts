import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, inject, test } from 'vitest';

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
