/** What the figures were measured on. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { promisify } from 'node:util';
import { findNatsServer } from '../src/dev/nats-server.ts';
import { atOnce } from './work.ts';

export interface EnvironmentOptions {
  readonly tasks: number;
  readonly rounds: number;
  readonly redis: string | undefined;
  readonly postgres: boolean;
}

export const environmentOf = async ({ tasks, rounds, redis, postgres }: EnvironmentOptions) => ({
  at: new Date().toISOString(),
  tasks,
  rounds,
  at_once: atOnce,
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memory_gb: Math.round(totalmem() / 2 ** 30),
  system: `${type()} ${release()}`,
  /** Of the minute before: what else was running. */
  load: Number(loadavg()[0]?.toFixed(2)),
  node: process.version,
  nats_server: (await promisify(execFile)(await findNatsServer(), ['--version'])).stdout.replace(/^.*v/s, '').trim(),
  redis: redis ?? null,
  bullmq: await versionOf('bullmq'),
  /** Whether the projector wrote to a Postgres where the figures say so. */
  postgres,
});

export type Environment = Awaited<ReturnType<typeof environmentOf>>;

const versionOf = async (name: string): Promise<string> => {
  const file = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  const about: { readonly version: string } = JSON.parse(await readFile(file, 'utf8'));
  return about.version;
};
