/** A real nats-server with JetStream beside us, on 127.0.0.1 only. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { UnavailableError } from '../kernel/errors.ts';
import { type Child, startChild } from './child.ts';
import { vacated } from './pid-file.ts';
import { type Server, server } from './server.ts';

export interface NatsServerOptions {
  /** Made if it is not there. Keeps the configuration, the log and JetStream's files; start again here to have them back. */
  readonly dir: string;
  /** Default 0: a free one. */
  readonly port?: number;
  /** When JetStream syncs its files to the disk: `always`, or a duration of nats-server's. Default its own, `2m`. */
  readonly syncInterval?: string;
  /** Further lines of nats-server's configuration. */
  readonly config?: string;
  /** Path of nats-server. Default: what `findNatsServer` finds. */
  readonly binary?: string;
}

/** The script that knows where to look, and to fetch one if there is none; from `src/dev` and `dist/dev` alike. */
const finder = fileURLToPath(new URL('../../scripts/get-nats-server.sh', import.meta.url));

/**
 * Path of a nats-server that is new enough: `$NATS_SERVER`, PATH, the cache, the machine's Debian mirror or the
 * GitHub release. `told` hears what is tried where that takes long. Throws UnavailableError, with what the script said,
 * if there is none to be had.
 */
export const findNatsServer = async (told: (text: string) => void = () => undefined): Promise<string> => {
  const found = promisify(execFile)('bash', [finder], { encoding: 'utf8' });
  found.child.stderr?.on('data', (chunk) => told(String(chunk).trim()));
  const { stdout } = await found.catch((cause: Error) => {
    throw new UnavailableError(`no nats-server: ${cause.message}`, { cause });
  });
  return stdout.trim();
};

const readyLog = /Listening for client connections on \S+:(\d+)\n[^]*Server is ready/;

/** JSON strings are strings of nats-server's configuration too. */
const configuration = (dir: string, port: number, { syncInterval, config = '' }: NatsServerOptions): string => `
host: "127.0.0.1"
port: ${port === 0 ? -1 : port}
pid_file: ${JSON.stringify(join(dir, 'nats-server.pid'))}
jetstream {
  store_dir: ${JSON.stringify(join(dir, 'jetstream'))}
  ${syncInterval === undefined ? '' : `sync_interval: ${syncInterval}`}
}
${config}
`;

/**
 * Resolves when it takes connections. Throws UnavailableError if it cannot start, ConflictError if another
 * nats-server has the directory.
 */
export const startNatsServer = async (options: NatsServerOptions): Promise<Server> => {
  const binary = options.binary ?? (await findNatsServer());
  const dir = resolve(options.dir);
  const configFile = join(dir, 'nats-server.conf');
  await mkdir(dir, { recursive: true });

  const launch = async (port: number): Promise<Child> => {
    await vacated(dir, join(dir, 'nats-server.pid'), basename(binary));
    await writeFile(configFile, configuration(dir, port, options));
    const log = join(dir, 'nats-server.log');
    return startChild({ command: binary, args: ['-c', configFile], log, ready: readyLog, orphanSignal: 'KILL' });
  };

  const child = await launch(options.port ?? 0);
  const port = Number(child.ready[1]);
  return server({ url: `nats://127.0.0.1:${port}`, port, child, stopSignal: 'SIGTERM', again: () => launch(port) });
};
