/** The HTTP door of a node: on loopback only, with bounds on everything that a stranger could hold open. */
import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import type { Bus } from '../bus/bus.ts';
import { atMost, type Clock } from '../kernel/clock.ts';
import { ConfigurationError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Start } from '../kernel/process.ts';
import { aborted } from '../kernel/signal.ts';
import type { Store } from '../store/store.ts';
import type { Doors } from '../task/doors.ts';
import { readiness } from './health.ts';
import { routes } from './routes.ts';

export interface HttpDoorOptions {
  /** 0: no door. */
  readonly port: number;
  /** Takes the next port that is free where this one is not. */
  readonly nextFree: boolean;
  readonly doors: Doors;
  readonly bus: Pick<Bus, 'connection'>;
  readonly store: Pick<Store, 'ready'>;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  /** Told once it listens. */
  readonly listening?: (port: number) => void;
}

const host = '127.0.0.1';
const portMax = 65_535;
const portsTried = 100;
const connectionsMost = 1_000;
/** How long answers may take when the door closes. */
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
export const httpDoor =
  ({ port, nextFree, doors, bus, store, metrics, clock, log, listening }: HttpDoorOptions): Start =>
  async (signal) => {
    if (port === 0) return { exit: aborted(signal) };
    const web = routes({ doors, ports: { log, metrics }, ready: readiness(bus, store, clock), signal });
    // It makes a plain server where it is not told otherwise.
    const server = createAdaptorServer({ fetch: web.fetch, serverOptions: bounds }) as Server;
    server.maxConnections = connectionsMost;
    const taken = await listen(server, port, nextFree ? portsTried : 1);
    log.info({ url: `http://${host}:${taken}` }, 'the HTTP door is open');
    listening?.(taken);
    const failed = new Promise<never>((_, reject) => server.once('error', reject));
    return { exit: Promise.race([failed, aborted(signal).then(() => close(server, clock))]) };
  };

const listen = async (server: Server, first: number, tries: number): Promise<number> => {
  for (let port = first; port < first + tries && port <= portMax; port += 1) {
    const error = await listenOn(server, port);
    if (!error) return port;
    if (error.code !== 'EADDRINUSE')
      throw new ConfigurationError([`HTTP_PORT: ${port}: ${error.message}`], { cause: error });
  }
  throw new ConfigurationError([`HTTP_PORT: ${first} is taken on ${host}; give another one, or 0 for none`]);
};

const listenOn = (server: Server, port: number): Promise<NodeJS.ErrnoException | undefined> =>
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
