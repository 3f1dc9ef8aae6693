/** `npm start` from the first line to the last. What it opens it closes, however it ends. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Client } from '../../client/types.ts';
import { atMost, type Clock } from '../../kernel/clock.ts';
import { aborted } from '../../kernel/signal.ts';
import type { Bucket } from '../../kv/kv.ts';
import type { Store } from '../../store/store.ts';
import { embed, type Embedded, natsPort } from '../embed.ts';
import type { Limits } from '../model-window.ts';
import type { Account } from './account.ts';
import { documentsIn, type Item, itemsOf } from './batch.ts';
import { build } from './build.ts';
import { keepUp } from './keep-up.ts';
import { lock } from './lock.ts';
import { type Nodes, startNodes } from './nodes.ts';
import { accountLines, limitsText, nextLines, type Places, placeLines, type Simulated } from './report.ts';
import { runBatch } from './run.ts';
import { newBatch, readState, type State, writeState } from './state.ts';
import { counted, type Terminal } from './terminal.ts';

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

export interface StartOptions {
  /** Of the project. */
  readonly root: string;
  /** Where data, logs and the state are kept. */
  readonly dir: string;
  /** How many documents a new batch takes at most. */
  readonly documents: number;
  readonly env: NodeJS.ProcessEnv;
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Somebody wants it to end. */
  readonly signal: AbortSignal;
  readonly connect: (urls: Urls) => Promise<Connections>;
  /** What the budgets of an app allow, by the path of its module. */
  readonly limitsOf: (app: string) => Promise<Limits>;
}

/** Closes in the opposite order. */
interface Closing {
  add(close: () => Promise<void>): void;
  all(): Promise<void>;
}

const closing = (): Closing => {
  const closers: (() => Promise<void>)[] = [];
  return {
    add: (close) => void closers.unshift(close),
    all: async () => {
      for (const close of closers.splice(0)) await close();
    },
  };
};

interface Running {
  readonly servers: Embedded;
  readonly nodes: Nodes;
  readonly connections: Connections;
}

/**
 * Resolves after `signal` has aborted and all is drained. Throws ConflictError where another `npm start` has the
 * folder, UnavailableError where something cannot be started.
 */
export const start = async (options: StartOptions): Promise<void> => {
  const { dir, terminal, signal } = options;
  const closers = closing();
  const { release } = await lock(dir);
  closers.add(release);
  try {
    const running = await open(options, closers);
    const { failed } = running.nodes;
    await Promise.race([failed, work(options, running)]);
    terminal.line('It all stays up for you to try. Ctrl-C stops it.');
    await Promise.race([failed, aborted(signal)]);
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  } finally {
    if (signal.aborted) terminal.event('stopping: the nodes finish what they have begun');
    await closers.all();
  }
  terminal.event('stopped');
};

const open = async (options: StartOptions, closers: Closing): Promise<Running> => {
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
const ground = async (options: StartOptions, env: NodeJS.ProcessEnv, closers: Closing): Promise<Ground> => {
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

const work = async (options: StartOptions, { servers, nodes, connections }: Running): Promise<void> => {
  const { root, dir, terminal } = options;
  const file = join(dir, 'state.json');
  const documents = await documentsIn(pathToFileURL(`${join(root, 'examples', 'corpus')}/`));
  const state = await stateFor(file, documents.length, options);
  const { batch } = state;
  const items = itemsOf(batch, documents.slice(0, state.documents));
  const what = `${counted(state.documents, 'document')} to summarise, extract and inspect`;
  terminal.line(`Batch ${batch}: ${what}, ${counted(items.length, 'task')}`);
  const killed = (): Promise<void> => writeState(file, { ...state, killed: true });
  const run = runBatch({ ...options, ...connections, nodes, batch, items, ...(!state.killed && { killed }) });
  const account = await run.catch((error: unknown) => {
    terminal.event('the batch is not finished: the next npm start goes on with it');
    throw error;
  });
  await writeState(file, { ...state, killed: true, finished: true });
  const { model } = servers;
  const simulated = model && { limits: model.limits, arrivals: model.arrivals() };
  const places = {
    natsUrl: servers.nats?.url ?? '',
    postgresUrlFile: `${dir}/postgres.url`,
    httpUrl: nodes.running[0]?.httpUrl ?? '',
  };
  tell({ account, batch, items, simulated, places }, terminal);
};

interface Told {
  readonly account: Account;
  readonly batch: string;
  readonly items: readonly Item[];
  readonly simulated: Simulated | undefined;
  readonly places: Places;
}

const tell = ({ account, batch, items, simulated, places }: Told, terminal: Terminal): void => {
  const [first] = items;
  const paragraphs = [
    accountLines(account, batch, simulated),
    first ? placeLines(account, batch, first, places) : [],
    nextLines(account.dead[0], places),
  ];
  for (const paragraph of paragraphs) for (const line of ['', ...paragraph]) terminal.line(line);
  terminal.line();
};

/** An unfinished batch is gone on with; after a finished one comes a new one. */
const stateFor = async (file: string, most: number, { documents, terminal, clock }: StartOptions): Promise<State> => {
  const { state, broken } = await readState(file);
  if (broken) terminal.line(`${file} could not be read and is now ${broken}: this is a new batch`);
  if (state && !state.finished) {
    terminal.line('The last batch was not finished: it goes on.');
    return state;
  }
  const next = newBatch(clock.wall(), Math.min(documents, most));
  await writeState(file, next);
  return next;
};
