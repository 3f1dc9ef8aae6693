/** How far the work has come, by the server's word and in its own time: the same for the raw loop and for Troupe. */
import { setTimeout as pause } from 'node:timers/promises';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { cpuMs } from './process.ts';
import { type Count, perSecond } from './work.ts';

export interface Streams {
  /** Loses a message for each task that is done. */
  readonly work: string;
  /** Gets one for each. */
  readonly records: string;
}

export interface Drained {
  /** Tasks per second after the first `warmUp`, from record to record. */
  readonly perSecond: number;
  /** Of those first ones, with a process that is new. */
  readonly newPerSecond: number;
  /** CPU time of the worker process for each task, in µs, as far as it could be had. */
  readonly cpuUs: number | undefined;
}

const lookMs = 25;
const patienceMs = 120_000;

const stateOf = async (jsm: JetStreamManager, stream: string) => (await jsm.streams.info(stream)).state;

/** When the `count`th record was stored, in ms. */
const storedAt = async (jsm: JetStreamManager, stream: string, count: number): Promise<number> => {
  const message = await jsm.streams.getMessage(stream, { seq: count });
  if (!message) throw new Error(`${stream} has no message ${count}`);
  return message.time.getTime();
};

export const withStreams = async <Result>(
  url: string,
  use: (jsm: JetStreamManager) => Promise<Result>,
): Promise<Result> => {
  const nc = await connect({ servers: url });
  try {
    return await use(await jetstreamManager(nc));
  } finally {
    await nc.close();
  }
};

/** Resolves when none is `left`. */
const untilNone = async (what: string, left: () => Promise<number>): Promise<void> => {
  const until = performance.now() + patienceMs;
  for (let count = await left(); count > 0; count = await left()) {
    if (performance.now() > until) throw new Error(`${count} messages are left ${what} after ${patienceMs / 1_000} s`);
    await pause(lookMs);
  }
};

/** Resolves when `stream` is empty. */
export const emptied = (jsm: JetStreamManager, stream: string): Promise<void> =>
  untilNone(`in ${stream}`, async () => (await stateOf(jsm, stream)).messages);

/** Resolves when all that `consumer` reads has been acked. */
export const caughtUp = (jsm: JetStreamManager, stream: string, consumer: string): Promise<void> =>
  untilNone(`of ${stream} for ${consumer}`, async () => {
    const { num_pending, num_ack_pending } = await jsm.consumers.info(stream, consumer);
    return num_pending + num_ack_pending;
  });

/** Waits until process `pid` has done the tasks that the streams were full of when it began. */
export const drained = (
  url: string,
  { work, records }: Streams,
  pid: number,
  { warmUp, tasks }: Count,
): Promise<Drained> =>
  withStreams(url, async (jsm) => {
    const all = warmUp + tasks;
    const until = performance.now() + patienceMs;
    let begun: { readonly count: number; readonly cpu: number } | undefined;
    let cpu = 0;
    for (let count = 0; count < all; await pause(lookMs)) {
      count = (await stateOf(jsm, records)).last_seq;
      cpu = (await cpuMs(pid)) ?? Number.NaN;
      if (count >= warmUp) begun ??= { count, cpu };
      if (performance.now() > until)
        throw new Error(`${count} of ${all} tasks were done after ${patienceMs / 1_000} s`);
    }
    await emptied(jsm, work);
    const [first, warm, last] = await Promise.all([1, warmUp, all].map((count) => storedAt(jsm, records, count)));
    if (first === undefined || warm === undefined || last === undefined) throw new Error('a record has no time');
    const cpuUs = begun && ((cpu - begun.cpu) * 1_000) / (all - begun.count);
    return {
      perSecond: perSecond(tasks, last - warm),
      newPerSecond: perSecond(warmUp - 1, warm - first),
      cpuUs: Number.isFinite(cpuUs) ? cpuUs : undefined,
    };
  });
