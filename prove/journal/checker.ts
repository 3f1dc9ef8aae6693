/**
 * Whether the journal held, by what the provider and the tools saw: no call may arrive whose result had been recorded.
 * When it had been is the records' own story, as the server dates it.
 */
import { countedBy } from '../count.ts';
import type { Stored, TaskState } from './ledger.ts';

export interface Arrival {
  readonly side: 'provider' | 'tools';
  /** Its idempotency key. */
  readonly key: string | undefined;
  /** Epoch ms. */
  readonly atMs: number;
}

export interface Kill {
  /** `random`, or the failpoint at which it died. */
  readonly how: string;
  readonly node: string;
  readonly atMs: number;
}

export interface Evidence {
  /** How many were submitted. */
  readonly tasks: number;
  readonly callsOfTask: { readonly model: number; readonly tools: number };
  readonly states: ReadonlyMap<string, TaskState>;
  readonly recorded: ReadonlyMap<string, Stored>;
  readonly arrivals: readonly Arrival[];
  readonly kills: readonly Kill[];
  /** How many tasks a node has in its hands at most, each with one call under way. */
  readonly workersOfNode: number;
  /** How many kills there had to be, and of which kinds one at least. */
  readonly planned: { readonly kills: number; readonly kinds: readonly string[] };
  /** Recorded results that a later attempt found. */
  readonly spared: number;
  /** Messages of tasks that were not acked at the end. */
  readonly waiting: number;
}

export interface Repeat {
  readonly side: Arrival['side'];
  readonly key: string;
  /** Of this arrival, and of the result's record. */
  readonly atMs: number;
  readonly recordedMs: number;
  readonly revision: number;
}

export interface Calls {
  readonly arrivals: number;
  /** Different calls among them. */
  readonly calls: number;
  /** Arrivals of a call after its first. */
  readonly repeats: number;
}

export interface Verdict {
  readonly passed: boolean;
  /** A sentence for each thing that was not as it has to be. */
  readonly objections: readonly string[];
  readonly completed: number;
  readonly provider: Calls;
  readonly tools: Calls;
  /** Calls that were made when their result had been recorded; there must be none. */
  readonly repeatedRecorded: readonly Repeat[];
  /** Calls that were made again because their result had not been recorded. */
  readonly otherRepeats: number;
  readonly spared: number;
  readonly kills: Readonly<Record<string, number>>;
}

const shownMax = 5;

const some = (list: readonly string[]): string =>
  `${list.slice(0, shownMax).join(', ')}${list.length > shownMax ? ', …' : ''}`;

const callsOn = (arrivals: readonly Arrival[], side: Arrival['side']): Calls => {
  const mine = arrivals.filter((one) => one.side === side && one.key !== undefined);
  const calls = new Set(mine.map(({ key }) => key)).size;
  return { arrivals: arrivals.filter((one) => one.side === side).length, calls, repeats: mine.length - calls };
};

const afterRecord = ({ arrivals, recorded }: Evidence): readonly Repeat[] =>
  arrivals.flatMap(({ side, key, atMs }) => {
    const stored = key === undefined ? undefined : recorded.get(key);
    return key === undefined || !stored || atMs <= stored.atMs
      ? []
      : [{ side, key, atMs, recordedMs: stored.atMs, revision: stored.revision }];
  });

/** Of completed tasks: each must have made as many calls as it makes, or a repeat hides under a key of its own. */
const oddTasks = ({ states, recorded, callsOfTask }: Evidence): readonly string[] => {
  const of = Map.groupBy(recorded.values(), ({ task }) => task);
  return [...states]
    .filter(([task, { status }]) => status === 'completed' && of.get(task)?.length !== total(callsOfTask))
    .map(([task]) => `${task} with ${of.get(task)?.length ?? 0}`);
};

const total = ({ model, tools }: Evidence['callsOfTask']): number => model + tools;

const objectionsTo = (evidence: Evidence, found: Omit<Verdict, 'passed' | 'objections'>): readonly string[] => {
  const { tasks, callsOfTask, states, recorded, arrivals, planned, waiting, workersOfNode } = evidence;
  const { completed, repeatedRecorded, kills, spared } = found;
  const keys = new Set(arrivals.map(({ key }) => key));
  const unseen = [...recorded.keys()].filter((key) => !keys.has(key));
  const unrecorded = [...keys].filter((key) => key !== undefined && !recorded.has(key)).map(String);
  const nameless = arrivals.filter(({ key }) => key === undefined).length;
  const odd = oddTasks(evidence);
  const others = [...states].filter(([, { status }]) => status !== 'completed');
  const killed = evidence.kills.length;
  const missing = planned.kinds.filter((kind) => !kills[kind]);
  return [
    ...repeatedRecorded
      .slice(0, shownMax)
      .map(
        ({ key, side, atMs, recordedMs, revision }) =>
          `${key} arrived at the ${side} ${(atMs - recordedMs).toFixed(1)} ms after its result had been recorded, in revision ${revision}`,
      ),
    repeatedRecorded.length > 0 && `${repeatedRecorded.length} calls were made whose result had been recorded`,
    completed !== tasks &&
      `${completed} of ${tasks} tasks were completed; others: ${some(others.map(([task, { status }]) => `${task} ${status}`)) || 'unknown'}`,
    nameless > 0 && `${nameless} requests had no idempotency key, so that nobody can tell what they repeat`,
    unseen.length > 0 && `${unseen.length} results were recorded of calls that never arrived: ${some(unseen)}`,
    completed === tasks &&
      unrecorded.length > 0 &&
      `${unrecorded.length} calls arrived, and no task has them, though all are completed: ${some(unrecorded)}`,
    odd.length > 0 &&
      `${odd.length} tasks have another number of recorded calls than ${total(callsOfTask)}: ${some(odd)}`,
    killed < planned.kills && `nodes were killed ${killed} times; ${planned.kills} were planned`,
    found.otherRepeats > killed * workersOfNode &&
      `${found.otherRepeats} calls were made again, and ${killed} kills can have interrupted ${killed * workersOfNode} at most`,
    missing.length > 0 && `no node died so: ${missing.join(', ')}`,
    killed > 0 && spared === 0 && 'no recorded result was found by a later attempt, so nothing is shown',
    waiting > 0 && `${waiting} messages of tasks were still there at the end`,
  ].filter((sentence) => typeof sentence === 'string');
};

export const judge = (evidence: Evidence): Verdict => {
  const { states, arrivals, kills, spared } = evidence;
  const [provider, tools] = [callsOn(arrivals, 'provider'), callsOn(arrivals, 'tools')];
  const repeatedRecorded = afterRecord(evidence);
  const found = {
    completed: [...states.values()].filter(({ status }) => status === 'completed').length,
    provider,
    tools,
    repeatedRecorded,
    otherRepeats: provider.repeats + tools.repeats - repeatedRecorded.length,
    spared,
    kills: countedBy(kills, ({ how }) => how),
  };
  const objections = objectionsTo(evidence, found);
  return { passed: objections.length === 0, objections, ...found };
};
