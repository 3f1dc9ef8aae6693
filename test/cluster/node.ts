/** A node as in production: `dist/node.js`, a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

export const script = fileURLToPath(new URL('../../dist/node.js', import.meta.url));

export interface NodeProcess {
  readonly pid: number;
  /** What it has logged so far, and what it has written to stderr. */
  readonly lines: readonly string[];
  /** Resolves with the first line that has this in it. Rejects if the process ends without one. */
  logged(text: string): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Its exit code; null where a signal ended it. */
  readonly exit: Promise<number | null>;
}

/** Killed at the end of the test, if it lives that long. Of the environment it is given only what a program needs to run. */
export const spawnNode = (
  env: Readonly<Record<string, string>>,
  args: readonly string[] = [],
  command = process.execPath,
): NodeProcess => {
  const { PATH = '', HOME = '', NATS_SERVER = '', NODE_COMPILE_CACHE = '' } = process.env;
  const child: ChildProcess = spawn(command, [script, ...args], {
    env: { PATH, HOME, NATS_SERVER, NODE_COMPILE_CACHE, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  const watchers = new Set<(line: string) => void>();
  const read = (line: string): void => {
    lines.push(line);
    for (const look of watchers) look(line);
  };
  for (const stream of [child.stdout, child.stderr]) if (stream) createInterface({ input: stream }).on('line', read);
  const exit = once(child, 'close').then(([code]) => code);
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exit;
  });

  return {
    pid: child.pid ?? 0,
    lines,
    logged: (text) =>
      new Promise((resolve, reject) => {
        const look = (line: string): void => {
          if (!line.includes(text)) return;
          watchers.delete(look);
          resolve(line);
        };
        watchers.add(look);
        for (const line of lines) look(line);
        void exit.then(() => reject(new Error(`the node ended without "${text}":\n${lines.slice(-20).join('\n')}`)));
      }),
    kill: (signal) => void child.kill(signal),
    exit,
  };
};
