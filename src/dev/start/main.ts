/** `npm start` from the first line to the last. What it opens it closes, however it ends. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { aborted } from '../../kernel/signal.ts';
import type { Account } from './account.ts';
import { documentsIn, type Item, itemsOf } from './batch.ts';
import { closing } from './closing.ts';
import { lock } from './lock.ts';
import { open, type Opened, type OpenOptions } from './open.ts';
import { accountLines, nextLines, type Places, placeLines, type Simulated } from './report.ts';
import { runBatch } from './run.ts';
import { newBatch, readState, type State, writeState } from './state.ts';
import { counted, type Terminal } from './terminal.ts';

export interface StartOptions extends OpenOptions {
  /** How many documents a new batch takes at most. */
  readonly documents: number;
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

const work = async (options: StartOptions, { servers, nodes, connections }: Opened): Promise<void> => {
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
