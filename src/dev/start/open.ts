/** All that a batch runs on: servers, nodes and connections, each told of as it is there. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '../../client/types.ts';
import { atMost, type Clock } from '../../kernel/clock.ts';
import type { Bucket } from '../../kv/kv.ts';
import type { Store } from '../../store/store.ts';
import { embed, type Embedded, natsPort } from '../embed.ts';
import type { Limits } from '../model-window.ts';
import { build } from './build.ts';
import type { Closing } from './closing.ts';
import { keepUp } from './keep-up.ts';
import { type Nodes, startNodes } from './nodes.ts';
import { limitsText } from './report.ts';
import type { Terminal } from './terminal.ts';

/** What a run is about, with the connections that it needs. */
export interface Connections {
  readonly client: Client;
  /** The bucket `tasks`. */
  readonly records: Bucket;
  readonly store: Store;
  close(): Promise<void>;
}

export interface Urls {
  readonly nats: string;
  readonly postgres: string;
}

export interface OpenOptions {
  /** Of the project. */
  readonly root: string;
  /** Where data, logs and the state are kept. */
  readonly dir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Somebody wants it to end. */
  readonly signal: AbortSignal;
  readonly connect: (urls: Urls) => Promise<Connections>;
  /** What the budgets of an app allow, by the path of its module. */
  readonly limitsOf: (app: string) => Promise<Limits>;
}

export interface Opened {
  readonly servers: Embedded;
  readonly nodes: Nodes;
  readonly connections: Connections;
}

/** Throws UnavailableError where something cannot be started; what has been is in `closers`. */
export const open = async (options: OpenOptions, closers: Closing): Promise<Opened> => {
  const { root, dir, terminal, clock, connect, signal } = options;
  terminal.line(`Troupe, all of it on this machine. Data and logs are in ${dir}/`);
  terminal.line();
  const env = ownEnv(options.env);
  const { script, servers } = await ground(options, env, closers);
  signal.throwIfAborted();
  const { nats, postgres } = servers;
  const urls = { nats: nats?.url ?? '', postgres: postgres?.url ?? '' };
  await writeFile(join(dir, 'postgres.url'), urls.postgres, { mode: 0o600 });
  terminal.line(`  nats-server   ${urls.nats}`);
  terminal.line(`  Postgres      psql "$(cat ${dir}/postgres.url)"`);
  for (const line of modelLines(servers, env)) terminal.line(line);
  const ofNodes = { ...servers.env, TROUPE_APP: appIn(root), TROUPE_ACK_WAIT: '10s', LOG_LEVEL: 'warn' };
  closers.add(keepUp({ 'nats-server': nats, Postgres: postgres }, options));
  // Another company on this machine has another nats-server: so its nodes look for their ports elsewhere.
  const portsFrom = 8080 + 2 * ((nats?.port ?? natsPort) - natsPort);
  const nodes = await startNodes({ script, dir, portsFrom, env: { ...env, ...ofNodes }, clock, terminal });
  closers.add(nodes.drain);
  for (const { name, httpUrl, pid } of nodes.running) terminal.line(`  ${name}        ${httpUrl}, process ${pid}`);
  terminal.line();
  signal.throwIfAborted();
  const connections = await connect(urls);
  // An answer that died with a node may be waited for: not for long, when everything stops.
  closers.add(async () => void (await atMost(clock, closeMs, connections.close())));
  return { servers, nodes, connections };
};

const appIn = (root: string): string => join(root, 'examples', 'app.ts');

/** What the nodes stand on. */
interface Ground {
  readonly script: string;
  readonly servers: Embedded;
}

const tickMs = 250;
const closeMs = 2_000;

/** The first time it takes a while, which is then told second by second. */
const ground = async (options: OpenOptions, env: NodeJS.ProcessEnv, closers: Closing): Promise<Ground> => {
  const { root, dir, terminal, clock, limitsOf } = options;
  let waitingFor = 'building, and starting a nats-server, a Postgres and a model';
  const told = (text: string): void => {
    waitingFor = text.split('\n', 1)[0] ?? '';
  };
  const ticking = clock.every(tickMs, () => terminal.progress(waitingFor));
  // Settled both, so that nothing is under way any more when a failure of one of them is cleaned up after.
  const building = build(root);
  const modelLimits = async (): Promise<Limits> => {
    await building; // The app imports what is built.
    return limitsOf(appIn(root));
  };
  const [built, embedded] = await Promise.allSettled([building, embed({ env, dir, modelLimits, told })]);
  ticking.cancel();
  terminal.rest();
  if (embedded.status === 'fulfilled') closers.add(embedded.value.stop);
  if (embedded.status === 'rejected') throw embedded.reason;
  if (built.status === 'rejected') throw built.reason;
  return { script: built.value, servers: embedded.value };
};

/** Of the environment only what chooses a model, and what is none of ours: everything else here is our own. */
const ownEnv = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(env).filter(
      ([name]) =>
        !/^(TROUPE_.*|NATS_(URL|USER|PASSWORD|CREDS|NKEY|CA|CERT|KEY)|DATABASE_URL|HTTP_PORT|PROBE_PORT|LOG_LEVEL)$/.test(
          name,
        ),
    ),
  );

const modelLines = ({ model }: Embedded, env: NodeJS.ProcessEnv): readonly string[] => {
  const at = (text: string): string => `  model         ${text}`;
  if (!model) return [at(`${env['OPENAI_BASE_URL'] || 'https://api.openai.com/v1'}: a real one, and paid for`)];
  return [
    at(`SIMULATED, at ${model.url}; OPENAI_API_KEY brings a real one`),
    `                It answers 429 past the budget of examples/app.ts: ${limitsText(model.limits)}`,
  ];
};
