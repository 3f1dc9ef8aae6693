/** From a configuration to a running node, and back to nothing: parse, connect, run, drain. */
import { existsSync } from 'node:fs';
import { access, constants, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { historyElsewhere } from './actors/history.ts';
import { resolveApp } from './app/resolve.ts';
import type { ResolvedApp } from './app/resolved.ts';
import { connectNats, type NatsOptions } from './bus/nats/connection.ts';
import { type Config, natsCredentials, parseConfig, usage } from './config.ts';
import { atMost, systemClock as clock } from './kernel/clock.ts';
import { ConfigurationError, isTroupeError } from './kernel/errors.ts';
import { type Log, openLog } from './kernel/log.ts';
import { createMetrics, type Metrics } from './kernel/metrics.ts';
import { systemRandom as random } from './kernel/random.ts';
import { aborted } from './kernel/signal.ts';
import { watchUnhandled } from './kernel/unhandled.ts';
import { reporting } from './runtime/children.ts';
import { runtime } from './runtime.ts';
import { noStore } from './store/none.ts';
import { postgresStore } from './store/postgres.ts';
import { supervisor } from './supervisor/supervisor.ts';
import { readiness } from './web/health.ts';
import { httpDoor } from './web/http.ts';
import { probeDoor } from './web/probes.ts';

export interface MainOptions {
  /** With `--dev` it is given what is started for it, so that the app, which is loaded later, finds it there. */
  readonly env: Record<string, string | undefined>;
  readonly argv: readonly string[];
  /** Aborts when the process is asked to stop. */
  readonly signal: AbortSignal;
}

/** Exit codes: stopped as asked, gave up, wrong configuration. */
const exit = { stopped: 0, failed: 1, misconfigured: 2 } as const;

/** Runs a node until it is asked to stop; answers the exit code. */
export const main = async ({ env, argv, signal }: MainOptions): Promise<number> => {
  try {
    const command = parseConfig(env, argv);
    if (command.type === 'help') return print(usage);
    if (command.type === 'version') return print(`${await version()}\n`);
    return await run(command.config, { env, signal });
  } catch (error) {
    if (!isTroupeError(error)) throw error;
    process.stderr.write(`troupe: ${error.message}\n`);
    return error.code === 'configuration' ? exit.misconfigured : exit.failed;
  }
};

const print = (text: string): number => {
  process.stdout.write(text);
  return exit.stopped;
};

const version = async (): Promise<string> => {
  const about: { readonly version: string } = JSON.parse(
    await readFile(new URL('../package.json', import.meta.url), 'utf8'),
  );
  return about.version;
};

const examples = fileURLToPath(new URL('../examples/app.ts', import.meta.url));

/** Throws `ConfigurationError`: no such file, it does not load, or it is no app. */
const loadApp = async (path: string | undefined): Promise<ResolvedApp> => {
  if (path === undefined && !existsSync(examples))
    throw new ConfigurationError(['TROUPE_APP is not set; name the module of your app by it, or by --app']);
  const file = resolve(path ?? examples);
  const module: { readonly default?: unknown } = await import(pathToFileURL(file).href).catch((cause: unknown) => {
    throw new ConfigurationError([`TROUPE_APP: ${file} does not load: ${reasonOf(cause)}`], { cause });
  });
  try {
    return resolveApp(module.default);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new ConfigurationError(
      error.mistakes.map((mistake) => `${file}: ${mistake}`),
      { cause: error },
    );
  }
};

/** With the place in the app's own files, where the error tells it: that may be a module that it imports. */
const reasonOf = (cause: unknown): string => {
  if (!(cause instanceof Error)) return String(cause);
  const places = cause.stack?.match(/file:\/\/[^\s()]+?:\d+/g) ?? [];
  const place = places.find((each) => !each.startsWith(import.meta.url));
  return place === undefined ? cause.message : `${cause.message} (${fileURLToPath(place)})`;
};

/** How long the log may take to reach its sink at the end. */
const flushMs = 2_000;

const run = async (config: Config, { env, signal }: Pick<MainOptions, 'env' | 'signal'>): Promise<number> => {
  const metrics = createMetrics();
  metrics.countProcess();
  const { log, flush } = openLog({
    level: config.LOG_LEVEL,
    fields: { node: config.node },
    dropped: () => metrics.logDropped.labels().inc(),
  });
  const flushed = (): Promise<unknown> => atMost(clock, flushMs, flush());
  const unhandled = watchUnhandled({ log, metrics, die: () => void flushed().then(() => process.exit(exit.failed)) });
  const servers = await serversOf(config, env, log);
  try {
    const app = await loadApp(config.TROUPE_APP);
    const asked = AbortSignal.any([signal, unhandled.signal]);
    const code = await runApp({ config, app, servers, log, metrics, signal: asked });
    return unhandled.signal.aborted ? exit.failed : code;
  } finally {
    await servers.stop();
    unhandled.close();
    await flushed();
  }
};

interface Parts {
  readonly config: Config;
  readonly app: ResolvedApp;
  readonly servers: Servers;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signal: AbortSignal;
}

const runApp = async ({ config, app, servers, log, metrics, signal }: Parts): Promise<number> => {
  const { node } = config;
  const nats = await connectNats({ ...servers.nats, name: `node/${node}`, clock, random, log });
  const projects = servers.database !== 'none';
  const store = projects
    ? postgresStore({ url: servers.database, log })
    : { ...noStore, ...historyElsewhere(nats.bus) };

  const { start, doors } = runtime({
    ...nats,
    app,
    store,
    projects,
    clock,
    random,
    log,
    metrics,
    node,
    version: await version(),
    region: config.TROUPE_REGION,
    ackWaitMs: config.TROUPE_ACK_WAIT,
    graceMs: config.TROUPE_GRACE,
    recordLifeMs: config.TROUPE_RECORD_LIFE,
    replicas: config.TROUPE_REPLICAS,
    queueBytes: config.TROUPE_QUEUE_BYTES,
  });
  const watched = { metrics, clock, log, ready: readiness(nats.bus, store, clock) };
  const http = httpDoor({
    ...watched,
    port: config.HTTP_PORT ?? 8080,
    nextFree: config.dev && config.HTTP_PORT === undefined,
    doors,
  });
  const probing = probeDoor({ ...watched, port: config.PROBE_PORT });
  const stopMs = config.TROUPE_GRACE + 30_000;
  const children = [
    { id: 'runtime', start, restart: 'permanent', shutdownMs: stopMs } as const,
    { id: 'http', start: http, restart: 'permanent', shutdownMs: 5_000 } as const,
    { id: 'probes', start: probing, restart: 'permanent', shutdownMs: 5_000 } as const,
  ];
  const onEvent = reporting(log, metrics);
  const root = supervisor({ strategy: 'one_for_one', intensity: 3, periodMs: 60_000, children }, { clock, onEvent });

  try {
    const { exit: ended } = await root.start(signal);
    if (!projects) log.info({}, withoutHistory);
    log.info({ pools: [...app.pools.keys()], tasks: [...app.tasks.keys()] }, 'the node runs');
    void aborted(signal).then(() => log.info({}, 'the node drains'));
    await ended;
    return exit.stopped;
  } catch (error) {
    if (isTroupeError(error, 'configuration')) throw error;
    if (signal.aborted && error === signal.reason) {
      log.info({}, 'the node was asked to stop while it started');
      return exit.stopped;
    }
    log.error({ err: error }, 'the node gives up');
    return exit.failed;
  } finally {
    doors.close();
    await nats.bus.close();
    await store.close();
  }
};

const withoutHistory =
  'DATABASE_URL=none: this node keeps no history, and asks other nodes for it; one at least has to have a Postgres';

/** What a node is connected to. */
interface Servers {
  readonly nats: Pick<NatsOptions, 'servers' | 'credentials'>;
  /** `none`: nothing. */
  readonly database: string;
  stop(): Promise<void>;
}

/** Throws `ConfigurationError`. */
const writable = async (dir: string): Promise<void> => {
  try {
    await mkdir(dir, { recursive: true });
    await access(dir, constants.W_OK);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigurationError([`TROUPE_DEV_DIR: ${resolve(dir)} takes no files: ${reason}`], { cause });
  }
};

/** What is configured; with `--dev`, what is not is started beside us. */
const serversOf = async (config: Config, env: MainOptions['env'], log: Log): Promise<Servers> => {
  const { dev, TROUPE_DEV_DIR: dir, DATABASE_URL: database = '' } = config;
  const nats = { servers: config.NATS_URL ?? 'nats://127.0.0.1:4222', credentials: natsCredentials(config) };
  if (!dev) return { nats, database, stop: () => Promise.resolve() };
  await writable(dir);
  // Loaded only when wanted: it needs packages that a production install leaves out.
  const { embed } = await import('./dev/embed.ts');
  const embedded = await embed({ env, dir });
  Object.assign(env, embedded.env);
  const { NATS_URL, DATABASE_URL, OPENAI_BASE_URL } = embedded.env;
  // The log hides its password.
  const file = DATABASE_URL && resolve(join(dir, 'postgres.url'));
  if (file) await writeFile(file, DATABASE_URL, { mode: 0o600 });
  log.info({ NATS_URL, DATABASE_URL, DATABASE_URL_FILE: file, OPENAI_BASE_URL }, 'started beside this node');
  return { nats: NATS_URL ? { servers: NATS_URL } : nats, database: DATABASE_URL ?? database, stop: embedded.stop };
};
