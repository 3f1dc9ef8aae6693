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

const limitsOf = (windowMs: number): readonly Limit[] =>
  budgetOf(windowMs).windows.flatMap(({ unit, ...rest }) =>
    unit === 'requests' || unit === 'tokens' ? [{ unit, ...rest }] : [],
  );

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index);

interface Ends {
  /** What has to be done at the end, in the order of its start, also if something fails on the way. */
  readonly ends: (() => Promise<void>)[];
}

/** What every process of a run is started with. */
interface Run extends Ends {
  readonly options: Options;
  readonly dir: string;
  readonly env: Env;
  readonly natsPort: number;
}

const begin = <Job, Order extends object>({ env, ends }: Run, script: string, job: Job): Running<Order> => {
  const running = run<Job, Order>(script, job, env);
  ends.push(async () => {
    running.signal('SIGKILL');
    await running.exit;
  });
  return running;
};

/** Who takes part reaches NATS through a proxy of its own. */
const member = async ({ options, dir, natsPort, ends }: Run, name: string, seed: number) => {
  const proxy = await startProxy({ to: natsPort, random: seededRandom(seed) });
  ends.push(proxy.stop);
  const { contestant, windowMs } = options;
  const log = join(dir, `${name}.log`);
  return { proxy, job: { name, natsPort: proxy.port, budget: budgetOf(windowMs), log, contestant } };
};

const startCandidate = async (of: Run, index: number): Promise<Candidate> => {
  const name = `candidate-${index + 1}`;
  const { proxy, job } = await member(of, name, of.options.seed + index);
  const launch = () => begin<CandidateJob, CandidateOrder>(of, 'candidate', job);
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

const reportFile = (dir: string, index: number): string => join(dir, `workers-${index + 1}.jsonl`);

const startWorkers = async (of: Run, index: number, url: string): Promise<Running<WorkersOrder>> => {
  const { workers, nodes, windowMs, seed } = of.options;
  const before = (node: number): number => Math.floor((workers * node) / nodes);
  const { job } = await member(of, `workers-${index + 1}`, seed + 100 + index);
  const running = begin<WorkersJob, WorkersOrder>(of, 'workers', {
    ...job,
    url,
    windowMs,
    workers: before(index + 1) - before(index),
    first: before(index),
    pace: paceOf(windowMs, workers),
    maxWaitMs: 30 * windowMs,
    seed: seed + index,
    reports: reportFile(of.dir, index),
  });
  await running.said('ready');
  return running;
};

const assemble = async (options: Options, dir: string, env: Env, { ends }: Ends): Promise<Crew> => {
  const { windowMs, workers: count, seed } = options;
  const nats = await startNatsServer({ dir: join(dir, 'nats') });
  ends.push(() => nats.kill());
  const ports = { clock: systemClock, random: systemRandom, log: silentLog };
  const { bus, queue } = await connectNats({ ...ports, servers: nats.url, name: 'proof' });
  ends.push(() => bus.close());
  await (await contestantFrom(options.contestant)).provision({ queue });

  const of: Run = { options, dir, env, ends, natsPort: nats.port };
  const log = join(dir, 'arrivals.jsonl');
  const limits = limitsOf(windowMs);
  const { latencyMs } = paceOf(windowMs, count);
  const provider = begin<ProviderJob, ProviderOrder>(of, 'provider', { limits, latencyMs, log, seed });
  const url = await provider.said('ready');
  const candidates = await Promise.all(upTo(options.candidates).map((index) => startCandidate(of, index)));
  const workers = await Promise.all(upTo(options.nodes).map((index) => startWorkers(of, index, url)));
  const reportFiles = upTo(options.nodes).map((index) => reportFile(dir, index));
  const stop = (): Promise<void> => endAll(ends);
  return { bus, limits, provider, candidates, workers, arrivalsFile: log, reportFiles, stop };
};

const endAll = async (ends: (() => Promise<void>)[]): Promise<void> => {
  for (const end of ends.splice(0).reverse()) await end();
};

/** `env`: what the processes find in their environment beside ours. */
export const startCrew = async (options: Options, dir: string, env: Env): Promise<Crew> => {
  const ends: (() => Promise<void>)[] = [];
  try {
    return await assemble(options, dir, env, { ends });
  } catch (error) {
    await endAll(ends);
    throw error;
  }
};
