/** `npm start` from the first line to the last. What it opens it closes, however it ends. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Client } from '../../client/types.ts';
import type { Clock } from '../../kernel/clock.ts';
import { aborted } from '../../kernel/signal.ts';
import type { Bucket } from '../../kv/kv.ts';
import type { Store } from '../../store/store.ts';
import type { Account } from './account.ts';
import { documentsIn, type Item, itemsOf } from './batch.ts';
import { lock } from './lock.ts';
import { type Nodes, startNodes } from './nodes.ts';
import { accountLines, nextLines, type Places, placeLines } from './report.ts';
import { runBatch } from './run.ts';
import { modelLimits, type Servers, startServers } from './servers.ts';
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

export interface StartOptions {
  /** Of the project. */
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Somebody wants it to end. */
  readonly signal: AbortSignal;
  readonly connect: (urls: { readonly nats: string; readonly postgres: string }) => Promise<Connections>;
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
  readonly servers: Servers;
  readonly nodes: Nodes;
  readonly connections: Connections;
}

/**
 * Resolves after `signal` has aborted and all is drained. Throws ConflictError where another `npm start` has the
 * folder, UnavailableError where something cannot be started.
 */
export const start = async (options: StartOptions): Promise<void> => {
  const { root, terminal, signal } = options;
  const dir = join(root, '.troupe');
  const closers = closing();
  const { release } = await lock(dir);
  closers.add(release);
  try {
    const running = await open(options, dir, closers);
    await work(options, dir, running);
    terminal.line('Ctrl-C stops all of it.');
    await aborted(signal);
  } catch (error) {
    if (!signal.aborted || error !== signal.reason) throw error;
  } finally {
    if (signal.aborted) terminal.event('stopping: the nodes finish what they have begun');
    await closers.all();
  }
  terminal.event('stopped');
};

const open = async (options: StartOptions, dir: string, closers: Closing): Promise<Running> => {
  const { root, env, terminal, clock, connect, signal } = options;
  terminal.line('Troupe, all of it on this machine. Data and logs are in .troupe/');
  terminal.line();
  const servers = await startServers({ dir, env });
  closers.add(servers.stop);
  terminal.line(`  nats-server   ${servers.nats.url}`);
  terminal.line(`  Postgres      psql "$(cat .troupe/postgres.url)"`);
  terminal.line(`  model         ${modelLine(servers, env)}`);
  signal.throwIfAborted();
  const script = join(root, 'dist', 'node.js');
  const app = join(root, 'examples', 'app.ts');
  const ofNodes = { TROUPE_APP: app, TROUPE_ACK_WAIT: '10s', LOG_LEVEL: 'warn' };
  const nodes = await startNodes({ script, dir, env: { ...servers.env, ...ofNodes }, clock, terminal });
  closers.add(nodes.drain);
  for (const { name, httpUrl, pid } of nodes.running) terminal.line(`  ${name}        ${httpUrl}, process ${pid}`);
  terminal.line();
  signal.throwIfAborted();
  const connections = await connect({ nats: servers.nats.url, postgres: servers.postgres.url });
  closers.add(connections.close);
  return { servers, nodes, connections };
};

const modelLine = ({ model }: Servers, env: NodeJS.ProcessEnv): string => {
  if (!model) return `${env['OPENAI_BASE_URL'] ?? 'https://api.openai.com/v1'}: real, and paid for`;
  const { requests, tokens } = modelLimits;
  const limits = `${requests.limit} requests a second and ${tokens.limit / (tokens.perMs / 1_000)} tokens a second at most`;
  return `SIMULATED at ${model.url}, ${limits}; set OPENAI_API_KEY for a real one`;
};

const work = async (options: StartOptions, dir: string, running: Running): Promise<void> => {
  const { root, terminal } = options;
  const file = join(dir, 'state.json');
  const state = await stateFor(file, options);
  const { batch } = state;
  const documents = await documentsIn(pathToFileURL(`${join(root, 'examples', 'corpus')}/`));
  const items = itemsOf(batch, documents);
  const what = `${counted(documents.length, 'document')} to summarise, extract and inspect`;
  terminal.line(`Batch ${batch}: ${what}, ${counted(items.length, 'task')}`);
  const { connections, nodes } = running;
  const killed = (): Promise<void> => writeState(file, { ...state, killed: true });
  const account = await runBatch({ ...options, ...connections, nodes, batch, items, ...(!state.killed && { killed }) });
  await writeState(file, { ...state, killed: true, finished: true });
  tell(account, batch, items, running, terminal);
};

const tell = (account: Account, batch: string, items: readonly Item[], running: Running, terminal: Terminal): void => {
  const { servers, nodes } = running;
  const places: Places = {
    natsUrl: servers.nats.url,
    postgresUrlFile: '.troupe/postgres.url',
    httpUrl: nodes.running[0]?.httpUrl ?? '',
  };
  const answered = servers.model?.arrivals().filter(({ outcome }) => outcome === 'answered').length;
  const [first] = items;
  const paragraphs = [
    accountLines(account, batch, answered),
    first ? placeLines(account, batch, first, places) : [],
    nextLines(account.dead[0], places),
  ];
  for (const paragraph of paragraphs) for (const line of ['', ...paragraph]) terminal.line(line);
  terminal.line();
};

/** An unfinished batch is gone on with; after a finished one comes a new one. */
const stateFor = async (file: string, { terminal, clock }: StartOptions): Promise<State> => {
  const { state, broken } = await readState(file);
  if (broken) terminal.line(`${file} could not be read and is now ${broken}: this is a new batch`);
  if (state && !state.finished) {
    terminal.line('The last batch was not finished: it goes on.');
    return state;
  }
  const next = newBatch(clock.wall());
  await writeState(file, next);
  return next;
};
