/** One connection to NATS, and the ports over it. */
import { errors } from '@nats-io/nats-core';
import { connect, type NatsConnection as Client } from '@nats-io/transport-node';
import { atMost, type Clock } from '../../kernel/clock.ts';
import { ConfigurationError, UnavailableError } from '../../kernel/errors.ts';
import type { Log } from '../../kernel/log.ts';
import type { Random } from '../../kernel/random.ts';
import type { Blobs } from '../blobs.ts';
import type { Bus, Connection } from '../bus.ts';
import type { Queue } from '../queue.ts';
import { api } from './api.ts';
import { blobsOf } from './blobs.ts';
import { coreBus } from './bus.ts';
import { loginOf, type NatsCredentials, remedyFor } from './credentials.ts';
import { mux } from './mux.ts';
import { sendByTurns } from './outbox.ts';
import { natsQueue } from './queue.ts';
import { serverTime } from './server-time.ts';
import { parseServers } from './servers.ts';

export interface NatsOptions {
  /** `nats://host:port`, with `user:password@` or `token@` if need be; several of one cluster, by commas or as a list. */
  readonly servers: string | readonly string[];
  /** Shown by `nats server report connections`. */
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Where answers come to; `_INBOX`. One of its own for each user keeps others from reading along. */
  readonly inboxPrefix?: string;
  /** How many servers keep what is in `blobs`, if that has yet to be made; 1. */
  readonly replicas?: number;
  /** Beside what the address says. */
  readonly credentials?: NatsCredentials;
}

export interface NatsConnection {
  readonly bus: Bus;
  readonly queue: Queue;
  readonly blobs: Blobs;
}

const pingMs = 15_000;
const reconnectMs = 250;
const reconnectJitterMs = 500;
const dialMs = 5_000;
const flushMs = 2_000;

/** The first with all that is asked of it: schedules of each kind, counters of deliveries, batched reads. */
const least = [2, 15] as const;

/**
 * Throws `UnavailableError` when no server answers or lets us in, and `ConfigurationError` for one that is too old, and for
 * credentials that cannot be used. After that it reconnects for ever.
 */
export const connectNats = async (options: NatsOptions): Promise<NatsConnection> => {
  const { clock, random, log } = options;
  const inbox = `${options.inboxPrefix ?? '_INBOX'}.${random.id()}`;
  const client = await dial(options);
  sendByTurns(client);
  const time = serverTime(clock);
  const requests = mux({ connection: client, inbox: `${inbox}.r`, clock, log });
  const ask = api(requests, time);
  const queue = natsQueue({ connection: client, requests, api: ask, inbox, clock, random, log, time });
  const { connection, onConnection, closing } = lifeOf(client, log, {
    connected: () => {
      requests.connected();
      queue.connected();
    },
    disconnected: () => {
      requests.disconnected();
      queue.disconnected();
    },
    closed: () => {
      queue.close();
      requests.close();
    },
    reported: (error) => {
      if (error instanceof errors.PermissionViolationError && error.operation === 'publish')
        requests.denied(error.subject);
    },
  });

  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    if (connection() === 'connected') await atMost(clock, flushMs, client.flush());
    await client.close();
    await closing;
  };

  const core = coreBus(client, requests, log);
  const bus: Bus = {
    get maxPayload() {
      return core.maxPayload;
    },
    get connection() {
      return connection();
    },
    publish: core.publish,
    request: core.request,
    subscribe: core.subscribe,
    onConnection,
    flush: async () => {
      try {
        await client.flush();
      } catch (cause) {
        throw new UnavailableError('flush: there is no connection to NATS', { cause });
      }
    },
    close: () => {
      closed ??= close();
      return closed;
    },
  };
  return {
    bus,
    queue: queue.queue,
    blobs: blobsOf({ connection: client, requests, api: ask, clock, replicas: options.replicas ?? 1 }),
  };
};

const dial = async (options: NatsOptions): Promise<Client> => {
  const client = await connected(options);
  const { version = '', host } = client.info ?? {};
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > least[0] || (major === least[0] && minor >= least[1])) return client;
  await client.close();
  throw new ConfigurationError([
    `NATS_URL: the nats-server at ${host} is version ${version}; Troupe needs ${least.join('.')} or later`,
  ]);
};

const connected = async ({ servers, name, credentials = {} }: NatsOptions): Promise<Client> => {
  const parsed = parseServers(servers);
  const { addresses } = parsed;
  const login = loginOf(parsed, credentials);
  try {
    return await connect({
      servers: [...addresses],
      name,
      ...login,
      maxReconnectAttempts: -1,
      // Who is refused now may be let in again: passwords are changed in one place after the other.
      ignoreAuthErrorAbort: true,
      reconnectTimeWait: reconnectMs,
      reconnectJitter: reconnectJitterMs,
      pingInterval: pingMs,
      timeout: dialMs,
      noAsyncTraces: true,
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UnavailableError(
      `no connection to NATS at ${addresses.join(', ')}: ${reason}${remedyFor(cause, login)}`,
      {
        cause,
      },
    );
  }
};

interface Life {
  readonly connection: () => Connection;
  readonly onConnection: Bus['onConnection'];
  /** Resolves when the connection is closed for good and everybody has been told. */
  readonly closing: Promise<void>;
}

const lifeOf = (
  client: Client,
  log: Log,
  own: Readonly<Record<Connection, () => void>> & { readonly reported: (error: Error) => void },
): Life => {
  const listeners = new Set<(connection: Connection) => void>();
  let state: Connection = 'connected';

  const become = (next: Connection): void => {
    if (state === next || state === 'closed') return;
    state = next;
    own[next]();
    for (const listener of listeners) {
      try {
        listener(next);
      } catch (error) {
        log.error({ err: error }, 'a listener to the connection failed');
      }
    }
  };

  const watch = async (): Promise<void> => {
    for await (const status of client.status()) {
      if (status.type === 'disconnect') {
        log.warn({ server: status.server }, 'the connection to NATS is lost; it is dialled until it is back');
        become('disconnected');
      } else if (status.type === 'reconnect') {
        log.info({ server: status.server }, 'connected to NATS again');
        become('connected');
      } else if (status.type === 'error') {
        log.warn({ err: status.error }, 'the NATS server reports an error');
        own.reported(status.error);
      }
    }
  };
  void watch().catch((error: unknown) => log.error({ err: error }, 'the connection is no longer watched'));

  return {
    connection: () => state,
    onConnection: (listener) => {
      listeners.add(listener);
      return { unsubscribe: () => void listeners.delete(listener) };
    },
    closing: client.closed().then((error) => {
      if (error) log.error({ err: error }, 'the connection to NATS is closed for good');
      become('closed');
    }),
  };
};
