/** A process of workers, each of which asks for a permit, sends its request, settles, and pauses, until it is told to stop. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { pause } from '../src/kernel/clock.ts';
import { type Random, seededRandom } from '../src/kernel/random.ts';
import { amountOf } from '../src/limiter/budget.ts';
import type { Permit } from '../src/limiter/permits.ts';
import { contestantFrom } from './contestant.ts';
import { failpoint } from './failpoint.ts';
import { type Pace, tenants, tokensAt } from './load.ts';
import { type Membership, partsOf } from './parts.ts';
import { jobOf, machineMs, onOrder, say } from './process.ts';
import type { Report } from './reports.ts';
import { jump } from './wall.ts';

export interface WorkersJob extends Membership {
  readonly contestant: string;
  readonly url: string;
  readonly workers: number;
  /** How many workers are in the processes before this one. */
  readonly first: number;
  readonly pace: Pace;
  readonly windowMs: number;
  readonly maxWaitMs: number;
  readonly seed: number;
  /** A file. */
  readonly reports: string;
}

export type WorkersOrder =
  | { readonly type: 'begin'; readonly atMs: number }
  | { readonly type: 'stop'; readonly untilMs: number }
  | { readonly type: 'jump'; readonly byMs: number }
  | { readonly type: 'drain' };

const job = jobOf<WorkersJob>();
const contestant = await contestantFrom(job.contestant);
const parts = await partsOf(job);
const caller = contestant.caller(parts);
const file = openSync(job.reports, 'a');
const report = (one: Report): void => void writeSync(file, `${JSON.stringify(one)}\n`);
const point = failpoint((fromMs, toMs) => report({ type: 'stopped', fromMs, toMs }));
const draining = new AbortController();
const callTimeoutMs = 5_000;
let requests = 0;

interface Worker {
  readonly tenant: string;
  readonly random: Random;
  readonly beganMs: number;
}

const acquire = async (tenant: string, tokens: number): Promise<Permit> => {
  const askedMs = machineMs();
  const waited = (granted: boolean): void =>
    report({ type: 'waited', tenant, askedMs, waitedMs: machineMs() - askedMs, granted });
  const wanted = { amount: amountOf(tokens, 0), lane: 'normal', tenant, maxWaitMs: job.maxWaitMs } as const;
  try {
    const permit = await caller.acquire({ ...wanted, holdMs: callTimeoutMs, signal: draining.signal });
    waited(true);
    return point.wrap(permit);
  } catch (error) {
    waited(false);
    throw error;
  }
};

/** Reports when its request was written. */
const reporting = (permit: Permit, request: string): Permit => {
  let sent = false;
  return {
    ...permit,
    sent: () => {
      const inTime = permit.inTime();
      permit.sent();
      if (!sent) report({ type: 'sent', request, sentMs: machineMs(), inTime });
      sent = true;
    },
  };
};

const callOnce = async ({ tenant, random, beganMs }: Worker): Promise<void> => {
  const tokens = tokensAt(machineMs() - beganMs, job.windowMs, random);
  const request = `${job.name}.${(requests += 1)}`;
  const permit = async (): Promise<Permit> => reporting(await acquire(tenant, tokens), request);
  const body = JSON.stringify({ model: 'proof', messages: [{ role: 'user', content: 'Prove it.' }] });
  const headers = {
    'content-type': 'application/json',
    'x-request-id': request,
    'x-troupe-reserved': String(tokens),
  };
  try {
    const first = await permit();
    const signal = AbortSignal.timeout(job.maxWaitMs + callTimeoutMs); // It may have to wait for another permit.
    const status = await caller.call(first, permit, { url: `${job.url}/chat/completions`, headers, body, signal });
    report({ type: 'answered', request, status });
  } catch (error) {
    if (draining.signal.aborted) return;
    report({
      type: 'failed',
      request,
      why: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
    });
  }
};

const work = async (index: number, beganMs: number): Promise<void> => {
  const random = seededRandom(job.seed * 1_000 + index);
  const worker = { tenant: tenants[(job.first + index) % tenants.length] ?? '', random, beganMs };
  const { signal } = draining;
  await pause(parts.clock, job.pace.pauseMs * random.next(), signal);
  while (!signal.aborted) {
    await callOnce(worker);
    await pause(parts.clock, job.pace.pauseMs * (0.5 + random.next()), signal);
  }
};

const begin = async (beganMs: number): Promise<void> => {
  await Promise.all(Array.from({ length: job.workers }, (_, index) => work(index, beganMs)));
  await caller.close();
  await parts.bus.close();
  closeSync(file);
  say('drained');
};

onOrder<WorkersOrder>((order) => {
  switch (order.type) {
    case 'begin':
      // What fails ends the process, and the run with it.
      return void begin(order.atMs);
    case 'stop':
      return point.arm(order.untilMs);
    case 'jump':
      return jump(order.byMs);
    case 'drain':
      return draining.abort(new Error('the run is over'));
  }
});
say('ready');
