/** An HTTP server as a process, with bounds on everything that a stranger could hold open. */
import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { atMost, type Clock } from '../kernel/clock.ts';
import { ConfigurationError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import type { Start } from '../kernel/process.ts';
import { aborted } from '../kernel/signal.ts';

export interface ListenOptions {
  /** What sets its port, for errors. */
  readonly setting: string;
  /** What is logged when it listens. */
  readonly opened: string;
  /** Of the interface. */
  readonly host: string;
  /** 0: it does not listen. */
  readonly port: number;
  /** Takes the next port that is free where this one is not. */
  readonly nextFree?: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Told once it listens. */
  readonly listening?: (port: number) => void;
}

/** `signal` aborts when the server stops. */
type Fetch = (signal: AbortSignal) => (request: Request) => Response | Promise<Response>;

const portMax = 65_535;
const portsTried = 100;
const connectionsMost = 1_000;
/** How long answers may take when the server stops. */
const closeMs = 2_000;

const bounds = {
  headersTimeout: 4_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 5_000,
  /** How often the others are looked after. */
  connectionsCheckingInterval: 1_000,
  maxHeaderSize: 16 * 1024,
} as const;

/** A process. Starting it throws `ConfigurationError` where the port is taken. */
export const listen =
  (options: ListenOptions, fetch: Fetch): Start =>
  async (signal) => {
    const { host, port, opened, clock, log, listening } = options;
    if (port === 0) return { exit: aborted(signal) };
    // It makes a plain server where it is not told otherwise.
    const server = createAdaptorServer({ fetch: fetch(signal), serverOptions: bounds }) as Server;
    server.maxConnections = connectionsMost;
    const taken = await listenOnAny(server, options);
    log.info({ url: `http://${host}:${taken}` }, opened);
    listening?.(taken);
    const failed = new Promise<never>((_, reject) => server.once('error', reject));
    return { exit: Promise.race([failed, aborted(signal).then(() => close(server, clock))]) };
  };

const listenOnAny = async (
  server: Server,
  { setting, host, port: first, nextFree = false }: ListenOptions,
): Promise<number> => {
  const tries = nextFree ? portsTried : 1;
  for (let port = first; port < first + tries && port <= portMax; port += 1) {
    const error = await listenOn(server, host, port);
    if (!error) return port;
    if (error.code !== 'EADDRINUSE')
      throw new ConfigurationError([`${setting}: ${port}: ${error.message}`], { cause: error });
  }
  throw new ConfigurationError([`${setting}: ${first} is taken on ${host}; give another one, or 0 for none`]);
};

const listenOn = (server: Server, host: string, port: number): Promise<NodeJS.ErrnoException | undefined> =>
  new Promise((resolve) => {
    const settle = (error?: NodeJS.ErrnoException): void => {
      server.off('error', settle);
      server.off('listening', settle);
      resolve(error);
    };
    server.once('error', settle);
    server.once('listening', settle);
    server.listen(port, host);
  });

/** Idle connections go at once; those with an answer to come, soon. */
const close = async (server: Server, clock: Clock): Promise<void> => {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  if (await atMost(clock, closeMs, closed)) return;
  server.closeAllConnections();
  await closed;
};
