/**
 * `npm start`: everything on this machine, a real batch over the corpus of the examples, and a true account of it.
 * Killed in the middle, it goes on with the same batch the next time. Runs from its source, so that it can look whether
 * another one is running before it builds anything. Reads the environment and ends the process, as only entries do.
 */
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { resolveApp } from '../app/resolve.ts';
import { connectNats } from '../bus/nats/connection.ts';
import { createClient } from '../connect.ts';
import { systemClock as clock } from '../kernel/clock.ts';
import { ConfigurationError, isTroupeError } from '../kernel/errors.ts';
import { silentLog as log } from '../kernel/log.ts';
import { systemRandom as random } from '../kernel/random.ts';
import { bucket } from '../kv/bucket.ts';
import { postgresStore } from '../store/postgres.ts';
import type { Limits } from './model-window.ts';
import { start } from './start/main.ts';
import type { Connections, Urls } from './start/open.ts';
import { terminal } from './start/terminal.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

const usage = `npm start -- [--documents COUNT] [--dir FOLDER]

  --documents COUNT  how many of the documents in examples/corpus a new batch takes; all of them by default
  --dir FOLDER       where it keeps its data and its logs; .troupe by default
`;

const options = { documents: { type: 'string' }, dir: { type: 'string' }, help: { type: 'boolean' } } as const;

/** Throws ConfigurationError. */
const asked = () => {
  try {
    const { documents, dir = '.troupe', help = false } = parseArgs({ options }).values;
    if (documents === undefined) return { help, dir, documents: Number.POSITIVE_INFINITY };
    if (!/^[1-9]\d*$/.test(documents)) throw new TypeError(`--documents takes a count from 1 on, not "${documents}"`);
    return { help, dir, documents: Number(documents) };
  } catch (error) {
    throw new ConfigurationError([error instanceof Error ? error.message : String(error)], { cause: error });
  }
};

const connect = async ({ nats, postgres }: Urls): Promise<Connections> => {
  const parts = { clock, random, log };
  const connection = await connectNats({ ...parts, servers: nats, name: 'npm start' });
  const client = await createClient({ nats });
  const store = postgresStore({ url: postgres, log });
  await store.migrate(); // The nodes do so too, but are ready before.
  return {
    client,
    records: bucket(connection.queue, 'tasks'),
    store,
    close: async () => {
      await Promise.all([client.close(), store.close(), connection.bus.close()]);
    },
  };
};

/** Its budgets are all of one provider. Throws ConfigurationError for an app that would not boot. */
const limitsOf = async (path: string): Promise<Limits> => {
  const module: { readonly default?: unknown } = await import(pathToFileURL(path).href);
  const budgets = [...resolveApp(module.default).budgets.values()];
  const windows = budgets.flatMap((budget) => budget.windows);
  const concurrent = Math.min(...budgets.flatMap((budget) => budget.concurrent ?? []));
  return {
    requests: windows.filter(({ unit }) => unit === 'requests'),
    tokens: windows.filter(({ unit }) => unit === 'tokens'),
    ...(Number.isFinite(concurrent) && { concurrent }),
  };
};

const stop = new AbortController();
/** npm passes on the signal that the terminal has sent us already. */
const echoMs = 1_000;
let askedMs = 0;
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (!stop.signal.aborted) askedMs = clock.monotonic();
    else if (clock.monotonic() - askedMs > echoMs) process.exit(130); // Now, then: the guards end what is left.
    stop.abort(new Error(`stopped by ${name}`));
  });
}

const shown = terminal({
  write: (text) => void process.stdout.write(text),
  live: process.stdout.isTTY,
  columns: () => process.stdout.columns || 120,
  now: () => clock.monotonic(),
});

const main = async (): Promise<number> => {
  try {
    const { help, ...settings } = asked();
    if (help) shown.line(usage);
    else
      await start({
        ...settings,
        root,
        env: process.env,
        terminal: shown,
        clock,
        signal: stop.signal,
        connect,
        limitsOf,
      });
    return 0;
  } catch (error) {
    shown.rest();
    if (!isTroupeError(error)) throw error;
    process.stderr.write(`npm start: ${error.message}\n`);
    return error.code === 'configuration' ? 2 : 1;
  }
};

process.exit(await main());
