/**
 * Does to whoever grants what the plan says. In the quiet after each fault, once somebody else grants, workers are stopped
 * between check and write: that no such stop lasts across a failover is one of the guarantee's assumptions (A2).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../src/kernel/random.ts';
import type { Candidate, Crew } from './crew.ts';
import { askUntil } from './holder.ts';
import type { Fault } from './plan.ts';
import type { Mark } from './plot.ts';
import { machineMs } from './process.ts';

export interface Troublemaker {
  readonly crew: Crew;
  readonly random: Random;
  /** Puts the wall clocks of some process forward or back. */
  readonly jump: () => string;
  readonly say: (what: string) => void;
}

const hourMs = 3_600_000;
const takeoverMaxMs = 30_000;

/** Begins the fault, and answers how to end it. */
const inflict = ({ kind }: Fault, candidate: Candidate): (() => Promise<void>) => {
  const { running, proxy } = candidate;
  switch (kind) {
    case 'killed':
      running.signal('SIGKILL');
      return candidate.again;
    case 'paused':
      running.signal('SIGSTOP');
      return async () => running.signal('SIGCONT');
    case 'cut off':
      proxy.cut();
      return async () => proxy.heal();
  }
};

const sleepUntil = async (atMs: number): Promise<void> => {
  const leftMs = atMs - machineMs();
  if (leftMs > 0) await sleep(leftMs);
};

/** Stops one process of workers after the other, each at its next check, as long as there is time. */
const stopWorkers = async ({ crew, random }: Troublemaker, untilMs: number): Promise<void> => {
  for (;;) {
    const lastsMs = 300 + 1_200 * random.next();
    const endsMs = machineMs() + lastsMs;
    const workers = crew.workers[Math.floor(random.next() * crew.workers.length)];
    if (!workers || endsMs + 500 > untilMs) return;
    // It may be slow to hear of it, and has to find the check first; one that comes too late for that is not stopped.
    workers.order({ type: 'stop', untilMs: endsMs - 100 });
    await sleepUntil(endsMs);
    workers.signal('SIGCONT');
    await sleep(100);
    workers.signal('SIGCONT');
  }
};

const one = async (fault: Fault, beganMs: number, nextMs: number, by: Troublemaker, marks: Mark[]): Promise<void> => {
  const { crew, say } = by;
  await sleepUntil(beganMs + fault.atMs);
  const before = await askUntil(crew.bus, () => true, takeoverMaxMs);
  const candidate = crew.candidates.find(({ name }) => name === before?.node);
  if (!before || !candidate) throw new Error(`nobody grants for ${takeoverMaxMs} ms: whom should the fault hit?`);
  const fromMs = machineMs();
  const end = inflict(fault, candidate);
  const ended = (async () => {
    await sleepUntil(fromMs + fault.lastsMs);
    await end();
    marks.push({ kind: `holder ${fault.kind}`, fromMs, toMs: machineMs() });
  })();
  const after = await askUntil(crew.bus, ({ epoch }) => epoch > before.epoch, Math.max(0, nextMs - machineMs()));
  const took = after ? `${after.node} after ${Math.round(machineMs() - fromMs)} ms` : 'nobody before the next fault';
  say(`${candidate.name} ${fault.kind} for ${Math.round(fault.lastsMs)} ms; then ${took}`);
  if (after) await stopWorkers(by, nextMs);
  await ended;
};

/** Resolves when the last one is over, at `toMs` at the latest but for what is being mended. */
export const trouble = async (
  faults: readonly Fault[],
  beganMs: number,
  toMs: number,
  by: Troublemaker,
): Promise<readonly Mark[]> => {
  const marks: Mark[] = [];
  const jumps = (async () => {
    for (let atMs = beganMs + 3_000; atMs < toMs; atMs += 4_000 + 4_000 * by.random.next()) {
      await sleepUntil(atMs);
      const what = by.jump();
      marks.push({ kind: 'wall clock jumped', fromMs: atMs, toMs: atMs });
      by.say(what);
    }
  })();
  for (const [index, fault] of faults.entries()) {
    const next = faults[index + 1];
    await one(fault, beganMs, next ? beganMs + next.atMs : toMs, by, marks);
  }
  await jumps;
  return marks;
};

/** Forward or back by an hour, in some process that takes part. */
export const jumper = (crew: Crew, random: Random) => (): string => {
  const all = [...crew.candidates.map(({ running }) => running), ...crew.workers];
  const byMs = random.next() < 0.5 ? hourMs : -hourMs;
  const process = all[Math.floor(random.next() * all.length)];
  process?.order({ type: 'jump', byMs });
  return `the wall clock of process ${process?.pid} goes ${byMs > 0 ? 'forward' : 'back'} by an hour`;
};
