/** Tasks per second while they are submitted: one producer process and one worker process at once, from submit to record. */
import { setTimeout as pause } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { streams } from '../src/bus/subjects.ts';
import { bullQueue } from './bull-queue.ts';
import type { BullJob } from './bullmq-loop.ts';
import type { Figures } from './figures.ts';
import type { RawJob } from './raw-loop.ts';
import { rawStreams } from './raw-streams.ts';
import { type Script, startScript } from './script.ts';
import { type Means, provision, startNode, withNats, withRedis } from './servers.ts';
import type { ProducerJob } from './troupe-producer.ts';
import { withStreams } from './watch.ts';
import { type Count, perSecond } from './work.ts';

export interface FlowOptions extends Count, Means {
  readonly rounds: number;
  readonly say: (what: string) => void;
}

const lookMs = 10;
const patienceMs = 120_000;

export const flow = async ({ flow: to }: Figures, options: FlowOptions): Promise<void> => {
  const { rounds, redis, say } = options;
  const run = { raw, troupe, bullmq: redis ? bullmq : undefined } as const;
  for (let round = 1; round <= rounds; round++) {
    for (const name of ['raw', 'troupe', 'bullmq'] as const) {
      const rate = await run[name]?.(options);
      if (rate === undefined) continue;
      say(`tasks/s submitted and done, round ${round}, ${name}: ${Math.round(rate)}`);
      to[name].rounds.push(rate);
    }
  }
};

interface Flow extends Count {
  /** Ready, with `warmUp` submitted. */
  readonly producer: Script<number>;
  /** How many are done. */
  readonly done: () => Promise<number>;
}

const flowing = async ({ producer, done, warmUp, tasks }: Flow): Promise<number> => {
  const until = performance.now() + patienceMs;
  const reach = async (count: number): Promise<void> => {
    for (let had = await done(); had < count; had = await done()) {
      if (performance.now() > until)
        throw new Error(`${had} of ${count} tasks were done after ${patienceMs / 1_000} s`);
      await pause(lookMs);
    }
  };
  await reach(warmUp);
  const from = performance.now();
  producer.goOn();
  await producer.result;
  await reach(warmUp + tasks);
  return perSecond(tasks, performance.now() - from);
};

const raw = (count: Count): Promise<number> =>
  withNats('lazy', async ({ url }) => {
    const producer = startScript<RawJob, number>('raw-loop', { does: 'flow', url, ...count });
    await producer.ready;
    const worker = startScript<RawJob, unknown>('raw-loop', { does: 'work', url, tasks: count.warmUp + count.tasks });
    try {
      return await stored(url, rawStreams.records, producer, count);
    } finally {
      await Promise.all([producer.kill(), worker.kill()]);
    }
  });

const troupe = (count: Count): Promise<number> =>
  withNats('lazy', async ({ url }, dir) => {
    await provision({ nats: url, database: 'none', dir });
    const producer = startScript<ProducerJob, number>('troupe-producer', { does: 'flow', url, ...count });
    await producer.ready;
    const node = await startNode({ nats: url, database: 'none', dir });
    try {
      return await stored(url, streams.bucket('tasks'), producer, count);
    } finally {
      await Promise.all([producer.kill(), node.kill('SIGKILL')]);
    }
  });

const stored = (url: string, records: string, producer: Script<number>, count: Count): Promise<number> =>
  withStreams(url, (jsm) => {
    const done = async (): Promise<number> => (await jsm.streams.info(records)).state.last_seq;
    return flowing({ producer, done, ...count });
  });

const bullmq = (count: Count): Promise<number> =>
  withRedis('lazy', async (port) => {
    const producer = startScript<BullJob, number>('bullmq-loop', { does: 'flow', port, ...count });
    await producer.ready;
    const worker = startScript<BullJob, unknown>('bullmq-loop', { does: 'work', port, ...count });
    const queue = new Queue(bullQueue, { connection: { host: '127.0.0.1', port } });
    try {
      return await flowing({ producer, done: () => queue.getCompletedCount(), ...count });
    } finally {
      await queue.close();
      await Promise.all([producer.kill(), worker.kill()]);
    }
  });
