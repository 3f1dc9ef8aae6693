/** Tasks per second of one worker process with a backlog, each contestant with an empty server of its own, in turns. */
import { streams } from '../src/bus/subjects.ts';
import type { BullJob } from './bullmq-loop.ts';
import type { Figures } from './figures.ts';
import type { RawJob } from './raw-loop.ts';
import { rawStreams } from './raw-streams.ts';
import { runScript, startScript } from './script.ts';
import { type Means, provision, startNode, withNats, withRedis } from './servers.ts';
import type { ProducerJob } from './troupe-producer.ts';
import { type Drained, drained } from './watch.ts';
import type { Count, Sync } from './work.ts';

export interface ThroughputOptions extends Count, Means {
  readonly rounds: number;
  readonly say: (what: string) => void;
}

export const throughput = async (figures: Figures, options: ThroughputOptions): Promise<void> => {
  const { rounds, redis, history, say } = options;
  const run = {
    raw: (sync: Sync) => raw(sync, options),
    troupe: (sync: Sync) => troupe(sync, 'none', options),
    troupe_projected: history && (async (sync: Sync) => troupe(sync, await history.create(), options)),
    bullmq: redis ? (sync: Sync) => bullmq(sync, options) : undefined,
  } as const;
  for (const sync of ['lazy', 'always'] as const) {
    for (let round = 1; round <= rounds; round++) {
      for (const name of ['raw', 'troupe', 'troupe_projected', 'bullmq'] as const) {
        const measured = await run[name]?.(sync);
        if (!measured) continue;
        const { perSecond, newPerSecond, cpuUs } = measured;
        say(
          `tasks/s, sync ${sync}, round ${round}, ${name}: ${Math.round(perSecond)}, ${cpuUs?.toFixed(1)} µs CPU each`,
        );
        figures.throughput[sync][name].rounds.push(perSecond);
        figures.throughput_new[sync][name].rounds.push(newPerSecond);
        if (sync === 'lazy' && cpuUs !== undefined) figures.cpu_us[name].rounds.push(cpuUs);
      }
    }
  }
};

const raw = (sync: Sync, count: Count): Promise<Drained> =>
  withNats(sync, async ({ url }) => {
    await runScript<RawJob, number>('raw-loop', { does: 'publish', url, ...count });
    const worker = startScript<RawJob, unknown>('raw-loop', { does: 'work', url, tasks: count.warmUp + count.tasks });
    try {
      return await drained(url, rawStreams, worker.pid, count);
    } finally {
      await worker.kill();
    }
  });

const troupe = (sync: Sync, database: string, count: Count): Promise<Drained> =>
  withNats(sync, async ({ url }, dir) => {
    await provision({ nats: url, database, dir });
    await runScript<ProducerJob, number>('troupe-producer', { does: 'submitMany', url, ...count });
    const node = await startNode({ nats: url, database, dir });
    try {
      const from = { work: streams.work('main', 'bar'), records: streams.bucket('tasks') };
      return await drained(url, from, node.pid, count);
    } finally {
      await node.kill('SIGKILL');
    }
  });

const bullmq = (sync: Sync, count: Count): Promise<Drained> =>
  withRedis(sync, async (port) => {
    await runScript<BullJob, number>('bullmq-loop', { does: 'addBulk', port, ...count });
    const worker = startScript<BullJob, Drained>('bullmq-loop', { does: 'work', port, ...count });
    try {
      return await worker.result;
    } finally {
      await worker.kill();
    }
  });
