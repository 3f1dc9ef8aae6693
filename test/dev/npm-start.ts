/** `npm start` as a process, with what it prints. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { copyCluster } from '../setup/template.ts';
import { scratch } from '../setup/scratch.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A folder for it that goes with the test; Postgres's part is there already, which saves seconds. */
export const folder = async (): Promise<string> => {
  const dir = await scratch('troupe-npm-start-');
  await chmod(dir, 0o755); // Postgres may run as somebody else.
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  await copyCluster(join(dir, 'postgres'));
  return dir;
};

export interface NpmStart {
  readonly pid: number;
  readonly lines: readonly string[];
  /** Resolves with the first match in a line, now or later. Rejects when the process ends without one. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
  readonly exit: Promise<number | null>;
}

export const npmStart = (dir: string, documents: number): NpmStart => {
  const args = ['src/dev/start.ts', '--dir', dir, '--documents', String(documents)];
  const { OPENAI_API_KEY: _key, OPENAI_BASE_URL: _url, ...env } = process.env;
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  const watchers = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      for (const look of watchers) look();
    });
  }
  const exit = once(child, 'close').then(([code]) => code);
  onTestFinished(async () => {
    child.kill('SIGKILL'); // Guards end what it has started.
    await exit;
  });
  return {
    pid: child.pid ?? 0,
    lines,
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = lines.map((line) => pattern.exec(line)).find((match) => match !== null);
          if (!found) return;
          watchers.delete(look);
          resolve(found);
        };
        watchers.add(look);
        look();
        void exit.then(() => reject(new Error(`it ended without ${String(pattern)}:\n${lines.join('\n')}`)));
      }),
    kill: (signal) => void child.kill(signal),
    exit,
  };
};
