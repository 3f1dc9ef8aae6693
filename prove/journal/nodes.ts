/** The nodes, as in production, and how they are killed and started again. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Child, startChild } from '../../src/dev/child.ts';
import type { Kill } from './checker.ts';
import { type Point, points } from './failpoints.ts';

export type How = 'random' | Point;
export const kinds: readonly How[] = ['random', ...points];

export interface NodesOptions {
  readonly count: number;
  /** For their logs. */
  readonly dir: string;
  /** Beside ours. */
  readonly env: Readonly<Record<string, string>>;
}

export interface Nodes {
  /**
   * Kills the one that has run longest, of those that need not be spared, and starts another in its place; resolves when
   * that runs. It waits for a time when another node remains.
   */
  kill(how: How, spared: (node: string) => boolean): Promise<Kill>;
  stop(): Promise<void>;
}

const path = (file: string): string => fileURLToPath(new URL(file, import.meta.url));
/** A node that has not come to its failpoint by then is killed where it is. */
const patienceMs = 10_000;

interface Place {
  readonly name: string;
  readonly order: string;
  child: Child;
}

const start = (name: string, { dir, env }: NodesOptions): Promise<Child> =>
  startChild({
    command: process.execPath,
    args: [path('../../dist/node.js')],
    log: join(dir, `${name}.log`),
    ready: /the node runs/,
    orphanSignal: 'KILL',
    env: {
      ...process.env,
      DATABASE_URL: 'none',
      HTTP_PORT: '0',
      TROUPE_APP: path('app.ts'),
      TROUPE_RECORD_LIFE: '7d',
      ...env,
      TROUPE_NODE: name,
      PROVE_FAILPOINT: orderOf(name, dir),
    },
  });

const orderOf = (name: string, dir: string): string => join(dir, `${name}.failpoint`);

/** Answers how it died. */
const die = async ({ child, order }: Place, how: How): Promise<How> => {
  if (how !== 'random') {
    await writeFile(order, how);
    await child.kill('SIGUSR2');
    const dead = await Promise.race([child.exit.then(() => true), sleep(patienceMs, false, { ref: false })]);
    if (dead) return how;
  }
  await child.kill('SIGKILL');
  return 'random';
};

export const startNodes = async (options: NodesOptions): Promise<Nodes> => {
  const all: Place[] = [];
  const up: Place[] = [];
  const underway = new Set<Promise<Kill>>();
  const place = async (name: string): Promise<void> => {
    const one: Place = { name, order: orderOf(name, options.dir), child: await start(name, options) };
    all.push(one);
    up.push(one);
  };
  await place('node-1'); // Makes the streams that the others find.
  await Promise.all(Array.from({ length: options.count - 1 }, (_, n) => place(`node-${n + 2}`)));

  const replaced = async (one: Place, how: How): Promise<Kill> => {
    const died = await die(one, how);
    const atMs = Date.now();
    one.child = await start(one.name, options);
    up.push(one);
    return { how: died, node: one.name, atMs };
  };

  return {
    kill: async (how, spared) => {
      const next = (): Place | undefined => (up.length < 2 ? undefined : up.find(({ name }) => !spared(name)));
      let one = next();
      for (; !one; one = next()) await sleep(50, undefined, { ref: false });
      up.splice(up.indexOf(one), 1);
      const replacing = replaced(one, how);
      underway.add(replacing);
      return replacing.finally(() => underway.delete(replacing));
    },
    stop: async () => {
      await Promise.allSettled(underway);
      await Promise.all(all.map(({ child }) => child.kill('SIGTERM')));
    },
  };
};
