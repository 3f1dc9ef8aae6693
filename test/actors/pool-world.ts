/** A pool of one node on the memory broker, whose tasks stay in their handlers until they are let go. */
import { onTestFinished } from 'vitest';
import { type PoolSpec, pool } from '../../src/actors/pool.ts';
import type { Lane } from '../../src/bus/subjects.ts';
import type { Permits } from '../../src/limiter/permits.ts';
import type { Attempt, Outcome } from '../../src/task/executor.ts';
import type { TaskPorts } from '../../src/task/ports.ts';
import { app, completed, open, type World } from '../task/world.ts';

export interface Running {
  readonly id: string;
  readonly lane: Lane;
  readonly attempt: Attempt;
  readonly end: (outcome?: Outcome) => void;
}

export interface PoolWorldOptions {
  readonly workers: number;
  readonly reserve?: Partial<Record<Lane, number>>;
  readonly weight?: Partial<Record<Lane, number>>;
  readonly ackWaitMs?: number;
  readonly graceMs?: number;
  /** Another node on the same broker. */
  readonly world?: World;
  readonly node?: string;
  /** What grants the starts of tasks of the type `limited`, which have the budget `crm`. */
  readonly permits?: Permits;
  /** The ports of the node, with what goes wrong at them. */
  readonly ports?: (ports: TaskPorts) => TaskPorts;
}

export const poolWorld = async (options: PoolWorldOptions) => {
  const { workers, reserve = {}, weight = {}, node = 'n', graceMs = 10_000, ports: changed = (same) => same } = options;
  const world = options.world ?? (await open());
  const { clock } = world;
  const ports = changed(world.node(node).ports);
  /** In the order in which they began. */
  const begun: Running[] = [];
  const running = new Set<Running>();
  const events: string[] = [];

  const run = (attempt: Attempt): Promise<Outcome> =>
    new Promise((resolve) => {
      const { id, route } = attempt.task;
      const each: Running = {
        id,
        lane: route.lane,
        attempt,
        end: (outcome = completed()) => {
          running.delete(each);
          resolve(outcome);
        },
      };
      begun.push(each);
      running.add(each);
    });

  const lane = (name: Lane, own: number) => ({ weight: weight[name] ?? own, reserve: reserve[name] ?? 0 });
  const lanes = { high: lane('high', 6), normal: lane('normal', 3), low: lane('low', 1) };
  const spec: PoolSpec = { name: 'default', max: workers, lanes };
  const tasks = app(run, { timeoutMs: 86_400_000 });
  const budgets = new Map([['limited', { budget: 'crm', holdMs: 86_400_000 }]]);
  const made = pool({
    pool: spec,
    node,
    workers,
    ports,
    executor: { task: (type) => (type === 'limited' ? tasks.task('t') : tasks.task(type)) },
    ...(options.permits && { starts: { permits: options.permits, budgets } }),
    ackWaitMs: options.ackWaitMs ?? 30_000,
    graceMs,
    onEvent: (event) => events.push(event.type),
  });
  const life = new AbortController();
  const { exit } = await made.start(life.signal);
  exit.catch(() => {}); // `stop` tells.
  const stop = (): Promise<void> => {
    life.abort();
    return world.eventually(exit);
  };
  onTestFinished(async () => {
    for (const each of running) each.end();
    await stop().catch(() => {}); // A test that wants to know asks for itself.
  });
  await clock.settle();

  const submit = async (ids: readonly string[], to: Lane = 'normal', type = 't'): Promise<void> => {
    await Promise.all(ids.map((id) => world.submit({ id, type, lane: to })));
    await quiet();
  };
  /** Until nothing more happens without more time than slots take to gather. */
  const quiet = async (): Promise<void> => {
    for (let turn = 0; turn < 5; turn += 1) await clock.advance(1);
  };
  const end = async (some: Iterable<Running>): Promise<void> => {
    for (const each of [...some]) each.end();
    await quiet();
  };
  const inHand = async () => {
    const all = ['high', 'normal', 'low'].map((name) => world.queue.consumerInfo('WORK_default', `default-${name}`));
    return (await Promise.all(all)).reduce((sum, { ackPending }) => sum + ackPending, 0);
  };
  const of = (name: Lane) => [...running].filter(({ lane: each }) => each === name);
  return {
    world,
    clock,
    ports,
    begun,
    running,
    events,
    submit,
    quiet,
    end,
    inHand,
    of,
    stop,
    life,
    exit,
    cancel: made.cancel,
  };
};

export const ids = (count: number, prefix = 'a'): readonly string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`);
