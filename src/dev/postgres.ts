/** A real Postgres beside us, on 127.0.0.1 only: root's too, although Postgres itself refuses to run as root. */
import { readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Child, startChild } from './child.ts';
import { freePort } from './free-port.ts';
import { vacated } from './pid-file.ts';
import { systemClock } from '../kernel/clock.ts';
import { cluster, postgresBinaries, serviceUser } from './postgres-files.ts';
import { type Server, server } from './server.ts';

export interface PostgresOptions {
  /** Made if it is not there. Keeps the data, the password and the log; start again here to have them back. */
  readonly dir: string;
  /** Default 0: a free one. */
  readonly port?: number;
  /** Settings of Postgres, such as `{ fsync: 'off' }` for tests. */
  readonly settings?: Readonly<Record<string, string>>;
}

const readyLog = /database system is ready to accept connections/;

/** A free port may be taken by another before us, and who is killed is not gone at once. */
const attemptsMax = 20;
const pauseMs = 100;

/** Ends the sessions that a killed postmaster left behind: a busy one would keep its memory, and a start out, for long. */
const endOrphans = async (data: string): Promise<void> => {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const [cwd, name] = await Promise.all([
      readlink(`/proc/${pid}/cwd`).catch(() => ''),
      readFile(`/proc/${pid}/comm`, 'utf8').catch(() => ''),
    ]);
    if (cwd === data && name === 'postgres\n') process.kill(Number(pid), 'SIGKILL');
  }
};

/**
 * Does what can be done about a start that failed; answers whether it is worth another try. No postmaster has the
 * directory: `vacated` has seen to that.
 */
const remedied = async (cause: unknown, data: string, portFixed: boolean): Promise<boolean> => {
  const why = cause instanceof Error ? cause.message : '';
  if (why.includes('could not create any TCP/IP sockets')) return !portFixed;
  if (process.platform !== 'linux') return false;
  if (why.includes('pre-existing shared memory block')) {
    await endOrphans(data);
    await systemClock.sleep(pauseMs);
    return true;
  }
  // After a reboot the number in the file is another process's.
  if (!why.includes('lock file "postmaster.pid" already exists')) return false;
  await rm(join(data, 'postmaster.pid'));
  return true;
};

/**
 * Resolves when it takes connections. Throws UnavailableError if it cannot start or there are no binaries for this
 * machine, ConflictError if another Postgres has the directory.
 */
export const startPostgres = async (options: PostgresOptions): Promise<Server> => {
  const dir = resolve(options.dir);
  const identity = await serviceUser();
  const binaries = await postgresBinaries(identity);
  const { data, password } = await cluster(dir, binaries, identity);
  const settings = Object.entries({
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    ...options.settings,
  }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);

  const launchOn = (port: number): Promise<Child> =>
    startChild({
      command: join(binaries, 'postgres'),
      args: ['-D', data, '-p', String(port), ...settings],
      log: join(dir, 'postgres.log'),
      ready: readyLog,
      orphanSignal: 'QUIT',
      identity,
    });

  const launch = async (fixed: number): Promise<readonly [Child, number]> => {
    for (let attempt = 1; ; attempt++) {
      const port = fixed === 0 ? await freePort() : fixed;
      await vacated(data, join(data, 'postmaster.pid'), 'postgres');
      try {
        return [await launchOn(port), port];
      } catch (cause) {
        if (attempt === attemptsMax || !(await remedied(cause, data, fixed !== 0))) throw cause;
      }
    }
  };

  const [child, port] = await launch(options.port ?? 0);
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
  const again = async (): Promise<Child> => (await launch(port))[0];
  return server({ url, port, child, stopSignal: 'SIGINT', again });
};
