/** Troupe's producer: a client as any program has one. */
import { createClient } from 'troupe';
import app, { hold, noop, stamp } from './app.ts';
import { jobOf, readyUntilTold, sayResult } from './script.ts';
import { type Count, input, msSince, nowNs, paced, perSecond, pipelined } from './work.ts';

export type ProducerJob =
  /** Answers tasks per second. `flow`: many at once; it is ready with `warmUp` submitted, and submits the others when told to. */
  | (Count & { readonly does: 'submitMany' | 'submit' | 'flow'; readonly url: string })
  /** Submits at the steady rate, and awaits each result. Answers `Latencies`. */
  | { readonly does: 'pace'; readonly url: string; readonly tasks: number }
  /** Submits tasks that hold their workers and note their starts in `file`. */
  | { readonly does: 'hold'; readonly url: string; readonly tasks: number; readonly file: string };

/** In ms, from just before the submit. */
export interface Latencies {
  readonly startMs: readonly number[];
  readonly resultMs: readonly number[];
}

const job = jobOf<ProducerJob>();
const client = await createClient({ nats: job.url, app });

const submitMany = async (tasks: number): Promise<void> => {
  const { accepted } = await client.submitMany(
    noop,
    Array.from({ length: tasks }, () => ({ input })),
  );
  if (accepted !== tasks) throw new Error(`${tasks - accepted} of ${tasks} tasks were not accepted`);
};

const submit = (tasks: number): Promise<void> => pipelined(tasks, () => client.submit(noop, input));

const pace = async (tasks: number): Promise<Latencies> => {
  const startMs: number[] = [];
  const resultMs: number[] = [];
  await paced(tasks, async () => {
    const at = nowNs();
    const run = await client.submit(stamp, { at: String(at), ...input });
    const result = await run.result();
    resultMs.push(msSince(at));
    startMs.push(result.startMs);
  });
  return { startMs, resultMs };
};

const flood = async (
  send: (tasks: number) => Promise<void>,
  { warmUp, tasks }: Count,
  waits = false,
): Promise<number> => {
  await send(warmUp);
  if (waits) await readyUntilTold();
  const from = performance.now();
  await send(tasks);
  return perSecond(tasks, performance.now() - from);
};

switch (job.does) {
  case 'submitMany':
    sayResult(await flood(submitMany, job));
    break;
  case 'submit':
    sayResult(await flood(submit, job));
    break;
  case 'flow':
    sayResult(await flood(submitMany, job, true));
    break;
  case 'pace':
    sayResult(await pace(job.tasks));
    break;
  case 'hold':
    await pipelined(job.tasks, () => client.submit(hold, { file: job.file }));
    sayResult(undefined);
    break;
}
await client.close();
