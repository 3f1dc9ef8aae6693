/** Permits, and beside them the bare request that they cannot be quicker than: each end in a process of its own. */
import { connect } from '@nats-io/transport-node';
import { limiter } from '../src/actors/limiter.ts';
import { connectNats } from '../src/bus/nats/connection.ts';
import { buckets, streams } from '../src/bus/subjects.ts';
import { systemClock as clock } from '../src/kernel/clock.ts';
import { silentLog as log } from '../src/kernel/log.ts';
import { createMetrics } from '../src/kernel/metrics.ts';
import { systemRandom as random } from '../src/kernel/random.ts';
import { amountOf, type Budget } from '../src/limiter/budget.ts';
import { permits } from '../src/limiter/client.ts';
import { jobOf, sayReady, sayResult } from './script.ts';
import { perSecond, permitsInFlight } from './work.ts';

export type PermitJob =
  /** Answers whatever it is asked with as much. */
  | { readonly does: 'echo'; readonly url: string }
  | { readonly does: 'limit'; readonly url: string }
  | { readonly does: 'request' | 'acquire'; readonly url: string; readonly count: number };

export interface Asked {
  readonly perSecond: number;
  /** One after the other, in ms. */
  readonly latencyMs: readonly number[];
}

/** Nobody waits for it, and its windows are kept all the same. */
const budget: Budget = {
  name: 'bench',
  windows: [
    { unit: 'requests', limit: 1e9, perMs: 60_000 },
    { unit: 'tokens', limit: 1e12, perMs: 60_000 },
  ],
};
const subject = 'bench.echo';
const wanted = {
  amount: amountOf(1_000, 200),
  lane: 'normal',
  tenant: 'one',
  maxWaitMs: 60_000,
  holdMs: 60_000,
  signal: new AbortController().signal,
} as const;

/** `count` of them with 256 in flight, twice, of which the second time counts; then a hundredth of that one by one. */
const measured = async (ask: () => Promise<unknown>, count: number): Promise<Asked> => {
  const flood = async (all: number): Promise<number> => {
    const from = performance.now();
    let left = all;
    const lane = async (): Promise<void> => {
      while (left-- > 0) await ask();
    };
    await Promise.all(Array.from({ length: permitsInFlight }, lane));
    return perSecond(all, performance.now() - from);
  };
  await flood(count);
  const rate = await flood(count);
  const latencyMs: number[] = [];
  for (let index = 0; index < count / 100; index += 1) {
    const from = performance.now();
    await ask();
    latencyMs.push(performance.now() - from);
  }
  return { perSecond: rate, latencyMs };
};

const job = jobOf<PermitJob>();

const echo = async (): Promise<void> => {
  const nc = await connect({ servers: job.url, noAsyncTraces: true });
  nc.subscribe(subject, { callback: (_error, message) => void message.respond(message.data) });
  await nc.flush();
};

const request = async (count: number): Promise<Asked> => {
  const nc = await connect({ servers: job.url, noAsyncTraces: true });
  const body = JSON.stringify({ id: 'w12345', requests: 1, tokens: 1_200 });
  const asked = await measured(() => nc.request(subject, body), count);
  await nc.close();
  return asked;
};

const limit = async (): Promise<void> => {
  const { bus, queue } = await connectNats({ servers: job.url, name: 'bench limiter', clock, random, log });
  const stream = streams.bucket(buckets.limits);
  await queue.ensureStream({ name: stream, subjects: [`$KV.${buckets.limits}.>`], keep: 'last', maxBytes: 1e7 });
  const own = { budget, bus, queue, clock, random, log, metrics: createMetrics(), node: 'bench', version: '1.0.0' };
  await limiter(own)(new AbortController().signal);
};

const acquire = async (count: number): Promise<Asked> => {
  const { bus } = await connectNats({ servers: job.url, name: 'bench client', clock, random, log });
  const asker = permits({ bus, clock, random, log, budgets: new Map([[budget.name, budget]]) });
  const use = async (): Promise<void> => {
    const permit = await asker.acquire(budget.name, wanted);
    permit.sent();
    permit.settle(wanted.amount);
  };
  const asked = await measured(use, count);
  await asker.close();
  await bus.close();
  return asked;
};

switch (job.does) {
  case 'echo':
    await echo();
    sayReady();
    break;
  case 'limit':
    await limit();
    sayReady();
    break;
  case 'request':
    sayResult(await request(job.count));
    break;
  case 'acquire':
    sayResult(await acquire(job.count));
    break;
}
