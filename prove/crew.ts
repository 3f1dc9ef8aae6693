/** All that takes part, started: nats-server, provider, candidates and workers, each a process of its own. */
import { join } from 'node:path';
import { connectNats } from '../src/bus/nats/connection.ts';
import { startNatsServer } from '../src/dev/nats-server.ts';
import { systemClock } from '../src/kernel/clock.ts';
import { silentLog } from '../src/kernel/log.ts';
import { seededRandom, systemRandom } from '../src/kernel/random.ts';
import type { Bus } from '../src/bus/bus.ts';
import type { CandidateJob, CandidateOrder } from './candidate.ts';
import { contestantFrom } from './contestant.ts';
import { budgetOf, paceOf } from './load.ts';
import type { Options } from './options.ts';
import { type Running, run } from './process.ts';
import type { ProviderJob, ProviderOrder } from './provider.ts';
import { type Proxy, startProxy } from './proxy.ts';
import type { WorkersJob, WorkersOrder } from './workers.ts';
import type { Limit } from './windows.ts';

export interface Candidate {
  readonly name: string;
  readonly proxy: Proxy;
  /** The one that runs now. */
  running: Running<CandidateOrder>;
  /** Starts it anew, after it has been killed; resolves when it stands by. */
  readonly again: () => Promise<void>;
}

export interface Crew {
  readonly bus: Bus;
  readonly limits: readonly Limit[];
  readonly provider: Running<ProviderOrder>;
  readonly candidates: readonly Candidate[];
  readonly workers: readonly Running<WorkersOrder>[];
  readonly arrivalsFile: string;
  readonly reportFiles: readonly string[];
  stop(): Promise<void>;
}

type Env = Record<string, string>;

export const limitsOf = (windowMs: number): readonly Limit[] =>
  budgetOf(windowMs).windows.flatMap(({ unit, ...rest }) =>
    unit === 'requests' || unit === 'tokens' ? [{ unit, ...rest }] : [],
  );

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

/** `ends` gets what has to be done at the end, in the order of its start, also if something fails on the way. */
const assemble = async (options: Options, dir: string, env: Env, ends: (() => Promise<void>)[]): Promise<Crew> => {
  const { windowMs, contestant, seed } = options;
  const budget = budgetOf(windowMs);
  const pace = paceOf(windowMs, options.workers);
  const nats = await startNatsServer({ dir: join(dir, 'nats') });
  ends.push(() => nats.kill());
  const ports = { clock: systemClock, random: systemRandom, log: silentLog };
  const { bus, queue } = await connectNats({ ...ports, servers: nats.url, name: 'proof' });
  ends.push(() => bus.close());
  await (await contestantFrom(contestant)).provision({ queue });

  const begin = <Job, Order extends object>(script: string, job: Job): Running<Order> => {
    const running = run<Job, Order>(script, job, env);
    ends.push(async () => {
      running.signal('SIGKILL');
      await running.exit;
    });
    return running;
  };
  const proxied = async (index: number): Promise<Proxy> => {
    const proxy = await startProxy({ to: nats.port, random: seededRandom(seed + index) });
    ends.push(proxy.stop);
    return proxy;
  };

  const arrivalsFile = join(dir, 'arrivals.jsonl');
  const limits = limitsOf(windowMs);
  const provider = begin<ProviderJob, ProviderOrder>('provider', {
    limits,
    latencyMs: pace.latencyMs,
    log: arrivalsFile,
    seed,
  });
  const url = await provider.said('ready');

  const candidate = async (index: number): Promise<Candidate> => {
    const name = `candidate-${index + 1}`;
    const proxy = await proxied(index);
    const job = { name, natsPort: proxy.port, budget, log: join(dir, `${name}.log`), contestant };
    const launch = () => begin<CandidateJob, CandidateOrder>('candidate', job);
    const one: Candidate = {
      name,
      proxy,
      running: launch(),
      again: async () => {
        one.running = launch();
        await one.running.said('ready');
      },
    };
    await one.running.said('ready');
    return one;
  };
  const candidates = await Promise.all(upTo(options.candidates).map(candidate));

  const reportFile = (index: number): string => join(dir, `workers-${index + 1}.jsonl`);
  const share = (index: number): number =>
    Math.floor(options.workers / options.nodes) + (index < options.workers % options.nodes ? 1 : 0);
  const node = async (index: number): Promise<Running<WorkersOrder>> => {
    const name = `workers-${index + 1}`;
    const { port: natsPort } = await proxied(100 + index);
    const running = begin<WorkersJob, WorkersOrder>('workers', {
      ...{ name, natsPort, budget, contestant, url, pace, windowMs, log: join(dir, `${name}.log`) },
      workers: share(index),
      maxWaitMs: 30 * windowMs,
      seed: seed + index,
      reports: reportFile(index),
    });
    await running.said('ready');
    return running;
  };
  const workers = await Promise.all(upTo(options.nodes).map(node));
  const reportFiles = upTo(options.nodes).map(reportFile);
  return { bus, limits, provider, candidates, workers, arrivalsFile, reportFiles, stop: () => endAll(ends) };
};

const endAll = async (ends: (() => Promise<void>)[]): Promise<void> => {
  for (const end of ends.splice(0).reverse()) await end();
};

/** `env`: what the processes find in their environment beside ours. */
export const startCrew = async (options: Options, dir: string, env: Env): Promise<Crew> => {
  const ends: (() => Promise<void>)[] = [];
  try {
    return await assemble(options, dir, env, ends);
  } catch (error) {
    await endAll(ends);
    throw error;
  }
};
