/** The nodes run what is built. */
import { spawn } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UnavailableError } from '../../kernel/errors.ts';

const changedMs = async (path: string): Promise<number> => (await stat(path)).mtimeMs;

/** Folders count too: that is where a file that is gone leaves its trace. */
const outdated = async (root: string, script: string): Promise<boolean> => {
  const builtMs = await changedMs(script).catch(() => 0);
  const sources = await readdir(join(root, 'src'), { recursive: true });
  const all = ['src', 'tsconfig.json', 'tsconfig.build.json', ...sources.map((file) => join('src', file))];
  const times = await Promise.all(all.map((path) => changedMs(join(root, path))));
  return times.some((ms) => ms >= builtMs);
};

/**
 * Answers the path of the built node; builds only what is older than its sources. Throws UnavailableError, with what the
 * compiler said, where that fails.
 */
export const build = async (root: string): Promise<string> => {
  const script = join(root, 'dist', 'node.js');
  if (!(await outdated(root, script))) return script;
  const building = spawn(process.execPath, [join(root, 'scripts', 'build.mjs')], { stdio: ['ignore', 'pipe', 'pipe'] });
  const said: Buffer[] = [];
  building.stdout.on('data', (chunk: Buffer) => said.push(chunk));
  building.stderr.on('data', (chunk: Buffer) => said.push(chunk));
  const status = await new Promise((resolve, reject) => building.once('error', reject).once('close', resolve));
  if (status !== 0) throw new UnavailableError(`the build failed\n${Buffer.concat(said).toString().trimEnd()}`);
  return script;
};
