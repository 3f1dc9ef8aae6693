import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { resolveApp } from '../../src/app/resolve.ts';
import bullmq from './bullmq.ts';
import documents from './documents.ts';
import complete from './infer.ts';
import minimal from './minimal.ts';

describe('an app written against the public API', () => {
  test.each([
    ['minimal', minimal, ['hello']],
    ['documents', documents, ['summarise', 'report', 'crawl']],
    ['bullmq', bullmq, ['mail']],
    ['complete', complete, ['m']],
  ])('boots: %s', (_, app, tasks) => {
    expect([...resolveApp(app).tasks.keys()]).toEqual(tasks);
  });

  test('boots with its config registered', async () => {
    // Imported by path alone: what it registers must not reach this program's types.
    const path = join(import.meta.dirname, 'registered/app.ts');
    const { default: app }: { default: unknown } = await import(path);
    expect([...resolveApp(app).tasks.keys()]).toEqual(['publish', 'synced', 'plain']);
  });

  test('checks its names and deps once its config is registered', async () => {
    const tsc = join(import.meta.dirname, '../../node_modules/typescript/bin/tsc');
    const project = join(import.meta.dirname, 'registered');
    const compiled = promisify(execFile)(process.execPath, [tsc, '-p', project, '--noEmit']).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    );
    expect(await compiled).toBe('');
  });
});
