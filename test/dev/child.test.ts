import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startChild } from '../../src/dev/child.ts';

const started = async (script: string, ready = /^/) => {
  const dir = await mkdtemp(join(tmpdir(), 'troupe-child-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  const log = join(dir, 'child.log');
  const child = await startChild({ command: 'sh', args: ['-c', script], log, ready, orphanSignal: 'KILL' });
  return { child, log };
};

test('a child that was killed is said to have ended by that signal, and its log cannot say more', async () => {
  const { child } = await started('echo ready; exec sleep 60', /ready/);
  void child.kill('SIGKILL'); // It resolves with the exit.
  expect(await child.exit).toBe('ended by SIGKILL');
});

test('a child that ends by itself is said to have ended with its code, and its log is named where it has one', async () => {
  const { child, log } = await started('echo no room; exit 3');
  expect(await child.exit).toBe(`ended with code 3; see ${log}`);
  const silent = await started('exit 3');
  expect(await silent.child.exit).toBe('ended with code 3');
});
