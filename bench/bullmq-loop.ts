/** BullMQ doing the same, with its defaults but for the concurrency. */
import { Queue, Worker } from 'bullmq';
import { bullQueue } from './bull-queue.ts';
import { jobOf, readyUntilTold, sayReady, sayResult } from './script.ts';
import type { Drained } from './watch.ts';
import { atOnce, type Count, input, perSecond, pipelined } from './work.ts';

export type BullJob =
  /** Answers jobs per second. `flow`: in bulk; it is ready with `warmUp` jobs added, and adds the others when told to. */
  | (Count & { readonly does: 'addBulk' | 'add' | 'flow'; readonly port: number })
  /** Answers `Drained`. */
  | (Count & { readonly does: 'work'; readonly port: number });

/** Jobs that one `addBulk` takes; the best of 100, 500, 1,000 and 5,000. */
const bulk = 1_000;

const job = jobOf<BullJob>();
const connection = { host: '127.0.0.1', port: job.port, maxRetriesPerRequest: null };

const addBulk = async (queue: Queue, tasks: number): Promise<void> => {
  for (let done = 0; done < tasks; done += bulk) {
    const length = Math.min(bulk, tasks - done);
    await queue.addBulk(Array.from({ length }, () => ({ name: 'noop', data: input })));
  }
};

const add = (queue: Queue, tasks: number): Promise<void> => pipelined(tasks, () => queue.add('noop', input));

const work = (warmUp: number, tasks: number): Promise<Drained> =>
  new Promise((resolve) => {
    let done = 0;
    let first = 0;
    let warm = 0;
    let before = process.cpuUsage();
    const worker = new Worker<typeof input>(bullQueue, async ({ data }) => ({ x: data.x.slice(0, 100) }), {
      connection,
      concurrency: atOnce,
    });
    worker.on('completed', () => {
      done += 1;
      if (done === 1) first = performance.now();
      if (done === warmUp) {
        warm = performance.now();
        before = process.cpuUsage();
      }
      if (done < warmUp + tasks) return;
      const last = performance.now();
      const { user, system } = process.cpuUsage(before);
      resolve({
        perSecond: perSecond(tasks, last - warm),
        newPerSecond: perSecond(warmUp - 1, warm - first),
        cpuUs: (user + system) / tasks,
      });
    });
    worker.on('ready', sayReady);
  });

if (job.does === 'work') {
  sayResult(await work(job.warmUp, job.tasks));
} else {
  const queue = new Queue(bullQueue, { connection });
  const submit = job.does === 'add' ? add : addBulk;
  await submit(queue, job.warmUp);
  if (job.does === 'flow') await readyUntilTold();
  const from = performance.now();
  await submit(queue, job.tasks);
  sayResult(perSecond(job.tasks, performance.now() - from));
}
