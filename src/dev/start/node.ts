/** Nodes beside us: `dist/node.js` as in production, each a process of its own that does not outlive us. */
import { join } from 'node:path';
import type { Clock } from '../../kernel/clock.ts';
import { TimeoutError, UnavailableError } from '../../kernel/errors.ts';
import { type Child, startChild } from '../child.ts';

export interface NodeOptions {
  /** What it is called on the wire. */
  readonly name: string;
  /** Of `dist/node.js`. */
  readonly script: string;
  /** Gets its log. */
  readonly dir: string;
  readonly httpPort: number;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
}

export interface Node {
  readonly name: string;
  readonly httpUrl: string;
  readonly pid: number;
  /** Resolves when the process has ended, with how: `ended by SIGKILL`. */
  readonly exit: Promise<string>;
  /** Ends it without a warning, as a power cut would. */
  kill(): Promise<void>;
  /** Asks it to finish what it has begun and go; after `graceMs` it has to. */
  drain(graceMs: number): Promise<void>;
}

const readyMs = 30_000;
const pauseMs = 100;

const isReady = async (url: string): Promise<boolean> => {
  try {
    const { ok } = await fetch(`${url}/readyz`);
    return ok;
  } catch {
    return false;
  }
};

/** Resolves when the node is ready for work. Throws UnavailableError if it ends before, TimeoutError after 30 s. */
export const startNode = async ({ name, script, dir, httpPort, env, clock }: NodeOptions): Promise<Node> => {
  const log = join(dir, `${name}.log`);
  const child = await startChild({
    command: process.execPath,
    args: [script],
    log,
    ready: /^/, // It says so over HTTP.
    orphanSignal: 'KILL',
    env: { ...env, TROUPE_NODE: name, HTTP_PORT: String(httpPort) },
  });
  const httpUrl = `http://127.0.0.1:${httpPort}`;
  await untilReady(child, { name, httpUrl, log, clock });
  return {
    name,
    httpUrl,
    pid: child.pid,
    exit: child.exit,
    kill: () => child.kill('SIGKILL'),
    drain: async (graceMs) => {
      const impatient = clock.timer(graceMs, () => void child.kill('SIGKILL')); // Never rejects.
      await child.kill('SIGTERM');
      impatient.cancel();
    },
  };
};

interface Starting {
  readonly name: string;
  readonly httpUrl: string;
  readonly log: string;
  readonly clock: Clock;
}

const untilReady = async (child: Child, { name, httpUrl, log, clock }: Starting): Promise<void> => {
  let ending: string | undefined;
  void child.exit.then((how) => {
    ending = how;
  });
  const start = clock.monotonic();
  while (!(await isReady(httpUrl))) {
    if (ending !== undefined) throw new UnavailableError(`${name} was not ready yet when it ${ending}`);
    if (clock.monotonic() - start > readyMs) {
      await child.kill('SIGKILL');
      throw new TimeoutError(`${name} was not ready within ${readyMs / 1_000} s; ${log} says why`);
    }
    await clock.sleep(pauseMs);
  }
};
