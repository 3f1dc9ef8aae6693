/** A client of one's own: the ports over a connection to NATS, and an app's doors if it is known here. */
import { admission } from './app/admission.ts';
import type { App } from './app/app.ts';
import { registry } from './app/registry.ts';
import { resolveApp } from './app/resolve.ts';
import type { Log } from './app/context-types.ts';
import type { AnyTask } from './app/task.ts';
import { connectNats } from './bus/nats/connection.ts';
import type { NatsCredentials } from './bus/nats/credentials.ts';
import { client } from './client/client.ts';
import { named } from './bus/subjects.ts';
import type { Client } from './client/types.ts';
import { systemClock } from './kernel/clock.ts';
import { logTo, silentLog } from './kernel/log.ts';
import { systemRandom } from './kernel/random.ts';

export type { NatsCredentials } from './bus/nats/credentials.ts';

/** Where the client connects to, and what it knows of the app. */
export interface ClientSettings<A> {
  /**
   * `nats://127.0.0.1:4222`; over TLS `tls://host:4222`. Several servers of one cluster by commas; a user as
   * `nats://user:password@host`, percent-encoded.
   */
  readonly nats?: string;
  /** Where the address does not say who connects, or certificates are needed; none. */
  readonly credentials?: NatsCredentials;
  /** The app, to validate and classify here. Its pools' streams are written straight away, once a node has made them. */
  readonly app?: A;
  /** The nodes' `TROUPE_REGION`; `main`. */
  readonly region?: string;
  /** Told of what no caller hears: that the connection was lost, and is back. `pino()` fits; nobody by default. */
  readonly log?: Log;
  /** On whose behalf tasks are submitted that name no tenant: where the app is known, after the task's own `tenant`. */
  readonly tenant?: string;
}

/**
 * Connects, and answers a client. With `app` it validates and classifies at the edge. Without
 * (`createClient<typeof app>()`, where a type-only import is enough) tasks go through the ingress of a node, which
 * answers at once. Throws UnavailableError when no server answers or lets it in, ConfigurationError for an app that would
 * not boot, and for credentials that cannot be used, InvalidNameError for a region that cannot be.
 */
export const createClient = async <A extends App<AnyTask> = App>({
  nats = 'nats://127.0.0.1:4222',
  credentials = {},
  app,
  region = 'main',
  log = silentLog,
  tenant,
}: ClientSettings<A> = {}): Promise<Client<A>> => {
  const place = named('region', region);
  const known = app && admission(registry(resolveApp(app)));
  const parts = { clock: systemClock, random: systemRandom, log: logTo(log) };
  const ports = await connectNats({ ...parts, servers: nats, credentials, name: 'client' });
  return client<A>({
    ...parts,
    ...ports,
    region: place,
    ...(known && { admission: known }),
    ...(tenant !== undefined && { tenant }),
  });
};
