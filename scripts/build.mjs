// Builds dist/ anew, beside the one there is, and puts it in its place when it is whole: no deleted source lives on in
// it, a build that fails changes nothing, and nodes that start meanwhile find all of their modules.
import { spawnSync } from 'node:child_process';
import { renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const compiler = `${root}node_modules/typescript/bin/tsc`;

// A sibling of dist/, because source maps lead to the sources by relative paths.
const made = `${root}dist-${process.pid}`;
const old = `${made}.old`;

/** Another build may put its own in place between the two: then ours, which is the younger, goes after it. */
const place = () => {
  for (;;) {
    try {
      renameSync(`${root}dist`, old);
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
    try {
      return renameSync(made, `${root}dist`);
    } catch (error) {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      rmSync(old, { recursive: true, force: true });
    }
  }
};

rmSync(made, { recursive: true, force: true });
try {
  const options = ['-p', `${root}tsconfig.build.json`, '--outDir', made];
  const { status, error } = spawnSync(process.execPath, [compiler, ...options], { stdio: 'inherit' });
  if (error) throw error;
  if (status === 0) place();
  process.exitCode = status ?? 1;
} finally {
  for (const folder of [made, old]) rmSync(folder, { recursive: true, force: true });
}
