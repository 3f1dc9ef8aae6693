/** One run, from the start of its processes to the verdict. */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seededRandom } from '../src/kernel/random.ts';
import { timingOf } from '../src/limiter/budget.ts';
import { unconfirmedMs } from '../src/limiter/granting/calls.ts';
import { type Assumptions, assumptionsOf } from './assumptions.ts';
import { judge, type Left, levels, type Phase, type Verdict, windowsMin } from './checker.ts';
import { countedBy } from './count.ts';
import { type Crew, startCrew } from './crew.ts';
import { type Faketime, faketime, findFaketime } from './faketime.ts';
import { jumper, trouble } from './faults.ts';
import { askUntil, reservedIn } from './holder.ts';
import { budgetOf } from './load.ts';
import type { Options } from './options.ts';
import { plan } from './plan.ts';
import { type Mark, plot } from './plot.ts';
import { machineMs } from './process.ts';
import { readArrivals, readReports, type Report } from './reports.ts';

export interface Proof extends Verdict {
  readonly options: Options;
  readonly machine: { readonly node: string; readonly cores: number };
  readonly assumptions: Assumptions;
  /** How often each fault was. */
  readonly faults: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
}

/** What the arithmetic of docs/limiter.md promises: short windows bear the times of permits and of takeovers less well. */
const requiredOf = (windowMs: number, faults: boolean): number => {
  if (windowMs >= 10_000) return faults ? 0.85 : 0.95;
  return faults ? 0.3 : 0.85;
};

const waitsIn = (reports: readonly Report[]) => reports.filter((report) => report.type === 'waited');

interface Told {
  readonly phases: readonly Phase[];
  readonly marks: readonly Mark[];
  readonly left: Left | undefined;
}

/** What the delays and the jumps of a run are made of. */
interface Means {
  readonly options: Options;
  readonly delayMs: number;
  readonly clock: Faketime | undefined;
  readonly say: (what: string) => void;
}

const drained = async ({ bus, workers }: Crew, windowMs: number): Promise<Left | undefined> => {
  const beganMs = machineMs();
  for (const each of workers) {
    each.signal('SIGCONT'); // It may have come to its stop later than whoever ordered that looked.
    each.order({ type: 'drain' });
  }
  await Promise.all(workers.map((each) => each.said('drained')));
  const mostMs = unconfirmedMs + 2 * windowMs;
  const none = await askUntil(bus, (found) => reservedIn(found) === 0, mostMs);
  const found = none ?? (await askUntil(bus, () => true, 10_000));
  return found && { reserved: reservedIn(found), afterMs: machineMs() - beganMs };
};

const course = async (crew: Crew, { options, delayMs, clock, say }: Means): Promise<Told> => {
  const { windowMs, minutes, faults, seed } = options;
  const random = seededRandom(seed);
  const forMs = (minutes * 60_000) / (faults ? 2 : 1);
  const holder = await askUntil(crew.bus, () => true, 30_000);
  if (!holder) throw new Error('no limiter answers, 30 s after the start');
  const fromMs = machineMs();
  for (const each of crew.workers) each.order({ type: 'begin', atMs: fromMs });
  say(`no faults, for ${forMs / 1_000} s`);
  await sleep(forMs);
  const middleMs = machineMs();
  const quiet: Phase = { name: 'without faults', fromMs, toMs: middleMs, required: requiredOf(windowMs, false) };
  if (!faults) return { phases: [quiet], marks: [], left: await drained(crew, windowMs) };

  say(`faults, for ${forMs / 1_000} s; up to ${delayMs} ms more on the way to the provider`);
  crew.provider.order({ type: 'delay', mostMs: delayMs });
  const inProcess = jumper(crew, random);
  let forward = false;
  const jump = (): string => {
    if (!clock) return inProcess();
    forward = !forward;
    void clock.jump(forward ? 3_600_000 : 0); // Rejects with the run: its directory is gone then.
    return `the system's wall clock goes ${forward ? 'forward' : 'back'} by an hour`;
  };
  const planned = plan(random, forMs);
  const marks = await trouble(planned, middleMs, middleMs + forMs, { crew, random, jump, say });
  const leftMs = middleMs + forMs - machineMs();
  if (leftMs > 0) await sleep(leftMs);
  const toMs = machineMs();
  const phase: Phase = { name: 'with faults', fromMs: middleMs, toMs, required: requiredOf(windowMs, true) };
  say('draining');
  return { phases: [quiet, phase], marks, left: await drained(crew, windowMs) };
};

const notesOn = (
  { options, delayMs, clock }: Means,
  { phases }: Verdict,
  { travel }: Assumptions,
): readonly string[] => {
  const { travelMs } = timingOf(budgetOf(options.windowMs));
  return [
    ...phases
      .filter(({ windows }) => windows < windowsMin)
      .map(({ name, windows }) => `${name}: only ${windows.toFixed(1)} windows were measured; ${windowsMin} tell more`),
    ...(travel.beyond > 0
      ? [
          `${travel.beyond} requests were on their way for more than the ${travel.allowedMs} ms that the guarantee assumes (A1); had they not been, ${travel.over} windows would have been over`,
        ]
      : []),
    ...(options.faults && !clock
      ? ['libfaketime is not installed: wall clocks jumped inside the processes (Date.now), not beneath them']
      : []),
    ...(options.faults && delayMs > travelMs
      ? [`delays of up to ${delayMs} ms break assumption A1, which allows ${travelMs} ms on the way`]
      : []),
  ];
};

/** What a run leaves behind. Nothing else is touched, whatever folder it is. */
const ours = /^(nats|faketime|verdict\.json|arrivals\.(svg|jsonl)|(candidate|workers)-\d+\.(log|jsonl))$/;

const cleared = async (out: string): Promise<void> => {
  await mkdir(out, { recursive: true });
  for (const name of await readdir(out)) if (ours.test(name)) await rm(join(out, name), { recursive: true });
};

/** Writes `verdict.json`, `arrivals.svg` and the logs of all processes to `options.out`, in place of an earlier run's. */
export const prove = async (options: Options, say: (what: string) => void): Promise<Proof> => {
  const { out, windowMs } = options;
  await cleared(out);
  const { travelMs } = timingOf(budgetOf(windowMs));
  const library = options.faults ? findFaketime() : undefined;
  const clock = library === undefined ? undefined : await faketime(library, out);
  const means = { options, delayMs: options.delayMs ?? Math.min(300, travelMs / 2), clock, say };
  const crew = await startCrew(options, out, clock?.env ?? {});
  let told: Told;
  try {
    told = await course(crew, means);
  } finally {
    await crew.stop();
  }
  const arrivals = await readArrivals(crew.arrivalsFile);
  const reports = await readReports(crew.reportFiles);
  const { phases, left } = told;
  // Who was to stop may never have come to a check in time: only those that did say so.
  const stops = reports.filter((report) => report.type === 'stopped');
  const marks = [...told.marks, ...stops.map(({ fromMs, toMs }) => ({ kind: 'worker stopped', fromMs, toMs }))];
  const verdict = judge({ limits: crew.limits, arrivals, phases, waits: waitsIn(reports), left });
  const assumptions = assumptionsOf({ limits: crew.limits, arrivals, reports, allowedMs: travelMs });
  const machine = { node: process.version, cores: availableParallelism() };
  const notes = notesOn(means, verdict, assumptions);
  const proof = { ...verdict, assumptions, faults: countedBy(marks, ({ kind }) => kind), notes, options, machine };
  await writeFile(join(out, 'verdict.json'), `${JSON.stringify(proof, undefined, 2)}\n`);
  await writeFile(join(out, 'arrivals.svg'), picture(crew, { arrivals, phases, marks }, windowMs));
  return proof;
};

const picture = (
  { limits }: Crew,
  {
    arrivals,
    phases,
    marks,
  }: Pick<Told, 'phases' | 'marks'> & { readonly arrivals: Parameters<typeof levels>[0]['arrivals'] },
  windowMs: number,
): string => {
  const fromMs = Math.min(...phases.map((phase) => phase.fromMs));
  return plot({
    title: `What arrived at the provider in each window of ${windowMs / 1_000} s, against the limit`,
    fromMs,
    toMs: Math.max(...phases.map((phase) => phase.toMs)) + windowMs,
    curves: levels({ limits, arrivals }).map(({ unit, limit, steps }) => ({
      name: `${unit}, ${limit.toLocaleString('en')} in ${windowMs / 1_000} s`,
      limit,
      steps,
    })),
    marks,
  });
};
