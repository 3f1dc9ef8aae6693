/** A node is killed while it holds ten tasks: how long until all of them run on another. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Figures } from './figures.ts';
import type { ProducerJob } from './troupe-producer.ts';
import { runScript } from './script.ts';
import { startNode, withNats } from './servers.ts';
import { msSince, nowNs } from './work.ts';

const tasks = 10;
/** Troupe's default. */
const ackWaitMs = 30_000;
const patienceMs = 3 * ackWaitMs;
const lookMs = 10;

interface Start {
  readonly pid: number;
  readonly id: string;
  readonly at: bigint;
}

export const recovery = async (
  { recovery: { kill_ms: figure } }: Figures,
  say: (what: string) => void,
): Promise<void> => {
  const ms = await killed();
  say(`recovery: ${Math.round(ms)} ms`);
  figure.rounds.push(ms);
};

/** How long it took, in ms. */
const killed = (): Promise<number> =>
  withNats('lazy', async ({ url }, dir) => {
    const file = join(dir, 'starts');
    const first = await startNode({ nats: url, database: 'none', dir, name: 'first' });
    await runScript<ProducerJob, undefined>('troupe-producer', { does: 'hold', url, tasks, file });
    await started(file, first.pid);
    const second = await startNode({ nats: url, database: 'none', dir, name: 'second' });
    try {
      const at = nowNs();
      await first.kill('SIGKILL');
      const last = await started(file, second.pid);
      return Number(last - at) / 1e6;
    } finally {
      await second.kill('SIGKILL');
    }
  });

/** When the last of them was started by `pid`. */
const started = async (file: string, pid: number): Promise<bigint> => {
  for (const from = nowNs(); msSince(from) < patienceMs; await pause(lookMs)) {
    const starts = (await startsIn(file)).filter((start) => start.pid === pid);
    if (new Set(starts.map(({ id }) => id)).size === tasks)
      return starts.reduce((last, { at }) => (at > last ? at : last), 0n);
  }
  throw new Error(`not all of ${tasks} tasks were started within ${patienceMs / 1_000} s`);
};

const startsIn = async (file: string): Promise<readonly Start[]> => {
  const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1);
  return lines.map((line) => {
    const [pid = '', id = '', at = ''] = line.split(' ');
    return { pid: Number(pid), id, at: BigInt(at) };
  });
};
