/** One run, from the start of its processes to the verdict. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from 'troupe';
import { z } from 'zod';
import { startNatsServer } from '../../src/dev/nats-server.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { shuffled } from '../plan.ts';
import { run } from '../process.ts';
import { linesOf } from '../reports.ts';
import app, { agent, callsOfTask, workersOfNode } from './app.ts';
import { type Arrival, judge, type Kill, type Verdict } from './checker.ts';
import { type How, kinds, type Nodes, startNodes } from './nodes.ts';
import type { Options } from './options.ts';
import type { ServiceJob } from './provider.ts';
import { follow, type Records } from './records.ts';

export interface Proof extends Verdict {
  readonly tasks: number;
  /** Attempts of all tasks together. */
  readonly attempts: number;
  readonly seconds: number;
  /** Revisions of the records that were replaced before they could be read. */
  readonly missed: number;
  readonly when: readonly Kill[];
  readonly options: Options;
  readonly machine: { readonly node: string; readonly cores: number };
}

/** After this long without a sign of life from its node a task goes to another. */
const ackWaitMs = 4_000;

const arrival = z.object({ atMs: z.number(), key: z.string().optional() });

const arrivalsIn = async (file: string, side: Arrival['side']): Promise<readonly Arrival[]> =>
  (await linesOf(file)).map((line) => {
    const { atMs, key } = arrival.parse(line);
    return { side, key, atMs };
  });

/** How nodes die, in turn, in an order of chance: as often one way as another. */
const plan = ({ kills, seed }: Options): readonly How[] => {
  const random = seededRandom(seed);
  const rounds = Array.from({ length: Math.ceil(kills / kinds.length) }, () => shuffled(random, kinds));
  return rounds.flat().slice(0, kills);
};

/**
 * Five workers that die one after another make a task what kills its workers (dead, by reason `crash`). Ours are killed for
 * other reasons, so a node is spared while it has a task that is in its fourth attempt or a later one.
 */
const endangeredBy =
  ({ ledger }: Records) =>
  (node: string): boolean =>
    [...ledger.tasks.values()].some(
      ({ status, attempt, worker }) => status === 'running' && attempt >= 4 && worker?.startsWith(`${node}.`),
    );

/** The kills are spread evenly over the run by how many tasks have ended; each comes at a moment of chance. */
const trouble = async (
  options: Options,
  nodes: Nodes,
  records: Records,
  endMs: number,
  say: (what: string) => void,
): Promise<readonly Kill[]> => {
  const random = seededRandom(options.seed + 1);
  const dying: Promise<Kill>[] = [];
  for (const [index, how] of plan(options).entries()) {
    const after = Math.floor((0.92 * options.tasks * index) / options.kills);
    if (!(await records.endedBy(after, endMs - Date.now()))) break;
    await sleep(300 * random.next());
    const kill = nodes.kill(how, endangeredBy(records)).then((died) => {
      say(`${records.ended()} of ${options.tasks} tasks have ended; ${died.node} was killed (${died.how})`);
      return died;
    });
    dying.push(kill);
    kill.catch(() => undefined); // It is awaited below.
  }
  return Promise.all(dying);
};

const settled = async (records: Records, mostMs: number): Promise<number> => {
  const endMs = Date.now() + mostMs;
  for (;;) {
    const waiting = await records.waiting();
    if (waiting === 0 || Date.now() > endMs) return waiting;
    await sleep(250);
  }
};

type Ends = (() => Promise<unknown>)[];

/** A nats-server, the provider, the tools, and the nodes that use them; `ends` stops what was started. */
const startCrew = async ({ latencyMs, seed, nodes: count, plant }: Options, dir: string, ends: Ends) => {
  const nats = await startNatsServer({ dir: join(dir, 'nats') });
  ends.push(() => nats.kill());
  const service = async (script: string, ms: number) => {
    const log = join(dir, `${script}.jsonl`);
    await writeFile(log, '');
    const running = run<ServiceJob, never>(`journal/${script}`, { latencyMs: ms, log, seed });
    ends.push(async () => running.signal('SIGKILL'));
    return { log, url: await running.said('ready') };
  };
  const [provider, tools] = [await service('provider', latencyMs), await service('tools', latencyMs / 3)];
  const env = {
    NATS_URL: nats.url,
    TROUPE_ACK_WAIT: `${ackWaitMs}ms`,
    PROVE_PROVIDER: provider.url,
    PROVE_TOOLS: tools.url,
    PROVE_DEATHS: join(dir, 'deaths.jsonl'),
    PROVE_PLANT: plant ? 'repeat' : 'none',
  };
  const nodes = await startNodes({ count, dir, env });
  ends.push(() => nodes.stop());
  const records = await follow(nats.url);
  ends.push(() => records.close().catch(() => undefined));
  const client = await createClient({ nats: nats.url, app });
  ends.push(() => client.close());
  const arrivals = async () => [
    ...(await arrivalsIn(provider.log, 'provider')),
    ...(await arrivalsIn(tools.log, 'tools')),
  ];
  return { client, nodes, records, arrivals };
};

type Crew = Awaited<ReturnType<typeof startCrew>>;

const course = async (crew: Crew, options: Options, say: (what: string) => void): Promise<Proof> => {
  const { client, nodes, records, arrivals } = crew;
  const { tasks } = options;
  const { ledger } = records;
  const fromMs = Date.now();
  const endMs = fromMs + 60_000 * options.minutes;
  const items = Array.from({ length: tasks }, (_, n) => ({ id: `${n}`, input: { n } }));
  const { accepted } = await client.submitMany(agent, items);
  say(`${accepted} tasks were submitted`);
  const kills = await trouble(options, nodes, records, endMs, say);
  await records.endedBy(tasks, endMs - Date.now());
  const seconds = (Date.now() - fromMs) / 1_000;
  // A message that was not acked comes again, and may make no call.
  const waiting = await settled(records, 3 * ackWaitMs);
  await records.close();
  const verdict = judge({
    tasks,
    callsOfTask,
    states: ledger.tasks,
    recorded: ledger.calls,
    arrivals: await arrivals(),
    kills,
    workersOfNode,
    planned: { kills: options.kills, kinds: options.kills >= kinds.length ? kinds : [] },
    spared: ledger.spared(),
    waiting,
  });
  const machine = { node: process.version, cores: availableParallelism() };
  const told = { attempts: ledger.attempts(), seconds, missed: ledger.missed(), when: kills };
  return { ...verdict, tasks, ...told, options, machine };
};

/** Writes `verdict.json` and the logs of all processes to `options.out`, which is emptied before. */
export const prove = async (options: Options, say: (what: string) => void): Promise<Proof> => {
  const out = resolve(options.out);
  await rm(out, { recursive: true, force: true });
  await mkdir(out, { recursive: true });
  const ends: Ends = [];
  try {
    const proof = await course(await startCrew(options, out, ends), options, say);
    await writeFile(join(out, 'verdict.json'), `${JSON.stringify(proof, undefined, 2)}\n`);
    return proof;
  } finally {
    for (const end of ends.reverse()) await end();
    await rm(join(out, 'nats'), { recursive: true, force: true });
  }
};
