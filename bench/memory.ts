/** Memory of a new node as it is, after 20,000 tasks and after 100,000. */
import { consumers, streams } from '../src/bus/subjects.ts';
import type { Figure, Figures } from './figures.ts';
import { rssMb } from './process.ts';
import { runScript } from './script.ts';
import { type History, startNode, withNats } from './servers.ts';
import type { ProducerJob } from './troupe-producer.ts';
import { caughtUp, emptied, withStreams } from './watch.ts';

const first = 20_000;
const second = 100_000;

export interface MemoryOptions {
  /** Absent: the node does not project. */
  readonly history: History | undefined;
  readonly rounds: number;
  readonly say: (what: string) => void;
}

export const memory = async (figures: Figures, options: MemoryOptions): Promise<void> => {
  for (let round = 1; round <= options.rounds; round++) await once(round, figures, options);
};

const once = (round: number, { memory: to }: Figures, { history, say }: MemoryOptions): Promise<void> =>
  withNats('lazy', async ({ url }, dir) => {
    const node = await startNode({ nats: url, database: (await history?.create()) ?? 'none', dir });
    const after = async (tasks: number, done: number, figure: Figure): Promise<void> => {
      await runScript<ProducerJob, number>('troupe-producer', { does: 'submitMany', url, warmUp: 0, tasks });
      await withStreams(url, async (jsm) => {
        await emptied(jsm, streams.work('main', 'bar'));
        if (history) await caughtUp(jsm, streams.bucket('tasks'), consumers.projector);
      });
      const mb = await rssMb(node.pid);
      if (mb === undefined) return;
      say(`memory, round ${round}, after ${done} tasks: ${mb.toFixed(1)} MB`);
      figure.rounds.push(mb);
    };
    try {
      await after(first, first, to.rss_20k_mb);
      await after(second - first, second, to.rss_100k_mb);
    } finally {
      await node.kill('SIGKILL');
    }
  });
