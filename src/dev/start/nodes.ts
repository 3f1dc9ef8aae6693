/** The two nodes of `npm start`: started together, one of them killed on purpose, both drained at the end. */
import type { Clock } from '../../kernel/clock.ts';
import { UnavailableError } from '../../kernel/errors.ts';
import { type Node, startNode } from './node.ts';
import { freePortFrom } from '../free-port.ts';
import type { Terminal } from './terminal.ts';

export interface NodesOptions {
  readonly script: string;
  readonly dir: string;
  /** Where free ports for their doors are looked for. */
  readonly portsFrom: number;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly terminal: Terminal;
}

export interface Nodes {
  /** In the order of their names. */
  readonly running: readonly Node[];
  /** Kills a node; resolves when its process is gone. It stays away until `bringBack`. */
  kill(name: string): Promise<void>;
  bringBack(name: string): Promise<Node>;
  /** Rejects with UnavailableError when one has ended by itself too often to be started again. */
  readonly failed: Promise<never>;
  drain(): Promise<void>;
}

const names = ['node-a', 'node-b'] as const;

/** Ours to finish a task in; nodes give up on it a little earlier. */
const graceMs = 30_000;
/** A node that ends by itself as often as this has a fault that starting it again does not mend. */
const restartsMax = 3;

/** Resolves when both are ready. */
export const startNodes = async ({ terminal, portsFrom, ...options }: NodesOptions): Promise<Nodes> => {
  const first = await freePortFrom(portsFrom);
  const ports = new Map<string, number>([
    [names[0], first],
    [names[1], await freePortFrom(portsFrom, [first])],
  ]);
  const byName = new Map<string, Node>();
  const away = new Set<string>();
  const { promise: failed, reject: fail } = Promise.withResolvers<never>();
  failed.catch(() => undefined); // Whoever waits for it handles it.
  let restarts = 0;

  const start = async (name: string): Promise<Node> => {
    const node = await startNode({ ...options, name, httpPort: ports.get(name) ?? 0 });
    byName.set(name, node);
    void node.exit.then((how) => gone(node, how)); // `gone` handles what it does.
    return node;
  };

  const gone = (node: Node, how: string): void => {
    byName.delete(node.name);
    if (away.has(node.name)) return;
    const why = `${node.name} ${how}`;
    restarts += 1;
    if (restarts > restartsMax) return fail(new UnavailableError(why));
    terminal.event(`${why}; it is started again`);
    start(node.name).catch(fail);
  };

  await Promise.all(names.map(start)).catch(async (error: unknown) => {
    for (const name of names) away.add(name);
    await Promise.all([...byName.values()].map((node) => node.kill()));
    throw error;
  });

  return {
    get running() {
      return names.flatMap((name) => byName.get(name) ?? []);
    },
    kill: async (name) => {
      away.add(name);
      await byName.get(name)?.kill();
    },
    failed,
    bringBack: async (name) => {
      const node = await start(name);
      away.delete(name);
      return node;
    },
    drain: async () => {
      for (const name of names) away.add(name);
      await Promise.all([...byName.values()].map((node) => node.drain(graceMs)));
    },
  };
};
