/**
 * A pool's share of one node: its workers and the puller that feeds them, under one supervisor. Stopping goes in
 * reverse: first nothing more is fetched, then the workers finish or hand back what they have.
 */
import type { Delivery } from '../bus/queue.ts';
import type { Timer } from '../kernel/clock.ts';
import { numbered } from '../kernel/numbered.ts';
import type { Start } from '../kernel/process.ts';
import { lanes } from '../bus/subjects.ts';
import type { Executor } from '../task/executor.ts';
import { giveBackForBudget, noteBudgetWait } from '../task/budget-wait.ts';
import { giveBack } from '../task/give-back.ts';
import { DrainedError } from '../task/handler.ts';
import { lives } from '../task/lives.ts';
import { lookups } from '../task/lookup.ts';
import type { TaskPorts } from '../task/ports.ts';
import { pulse } from '../task/pulse.ts';
import { supervisor, type SupervisorEvent } from '../supervisor/supervisor.ts';
import { type Actor, actor } from './actor.ts';
import type { BudgetGateOptions } from './budget-gate.ts';
import { laneDemand, localReserves } from './demand.ts';
import { beatMs } from './keep-alive.ts';
import { puller, type PullerMessage } from './puller.ts';
import { worker, type WorkerMessage } from './worker.ts';

export interface PoolSpec {
  readonly name: string;
  readonly lanes: Readonly<Record<(typeof lanes)[number], { readonly weight: number; readonly reserve: number }>>;
  /** Workers of the whole pool, over all nodes: what its lanes' reserves are parts of. */
  readonly max: number;
}

export interface PoolOptions {
  readonly pool: PoolSpec;
  /** Of this node: its workers' names begin with it. */
  readonly node: string;
  /** Workers that this node runs. */
  readonly workers: number;
  readonly ports: TaskPorts;
  readonly executor: Executor;
  readonly ackWaitMs: number;
  readonly graceMs: number;
  readonly onEvent: (event: SupervisorEvent) => void;
  /** Where tasks of the app have budgets. */
  readonly starts?: Pick<BudgetGateOptions, 'budgets' | 'permits'>;
}

export interface Pool {
  readonly name: string;
  readonly start: Start;
  /** Tells the worker that runs the task, if it is one of these, that it was cancelled. */
  cancel(recordKey: string): void;
  /** Whether one of these workers runs the task. */
  runs(recordKey: string): boolean;
}

/** How long stopping may take beyond the workers' grace: handing back takes a round trip or two. */
const settleMs = 5_000;

export const pool = (options: PoolOptions): Pool => {
  const { pool: spec, node, ports, executor, ackWaitMs, graceMs, onEvent } = options;
  const { clock } = ports;
  const names = Array.from({ length: options.workers }, (_, index) => `${node}.${spec.name}.${index + 1}`);
  const reserves = localReserves(
    lanes.map((lane) => spec.lanes[lane].reserve),
    options.workers,
    spec.max,
  );

  const refs = new Map<string, Actor<WorkerMessage>>();
  const feeding: Actor<PullerMessage> = actor(
    puller({
      pool: spec.name,
      region: ports.region,
      lanes: lanes.map((lane, index) => laneDemand(lane, spec.lanes[lane].weight, reserves[index] ?? 0)),
      workers: refs,
      queue: ports.queue,
      giveBack: (delivery) => giveBack(ports, delivery),
      clock,
      random: ports.random,
      metrics: ports.metrics,
      ackWaitMs,
      ...(options.starts && { gate: gateOf(options, options.starts) }),
    }),
    { clock, name: `puller ${spec.name}`, capacity: Number.POSITIVE_INFINITY },
  );
  const idle = (name: string): void => void feeding.send({ type: 'idle', worker: name });
  const alive = pulse(clock, ackWaitMs);
  const running = lives(alive);
  const lookUp = lookups(ports.records, clock, ports.log);
  const inHand = numbered<Delivery>();
  for (const name of names)
    refs.set(name, actor(worker({ name, ports, executor, idle, lives: running, lookUp, inHand }), { clock, name }));
  ports.metrics.poolWorkers.labels(spec.name).set(names.length);

  const tree = supervisor(
    {
      strategy: 'one_for_one',
      intensity: 10,
      periodMs: 10_000,
      children: [
        {
          id: `${spec.name} workers`,
          start: workersOf(refs, options),
          restart: 'permanent',
          shutdownMs: graceMs + settleMs,
        },
        { id: `${spec.name} puller`, start: feeding.start, restart: 'permanent', shutdownMs: settleMs },
      ],
    },
    { clock, onEvent },
  );

  const beat = (): void => {
    if (ports.bus.connection !== 'connected') return;
    const fromMs = clock.monotonic();
    for (const delivery of inHand.values()) delivery.working();
    // A link may have been dead for long before its connection breaks: only an answer tells that they have arrived.
    ports.bus.flush().then(
      () => alive.beat(fromMs),
      () => {}, // The next one tells.
    );
  };

  const start: Start = async (signal) => {
    const { exit } = await tree.start(signal);
    // One grace for all: they stop one after the other, and each may be in the middle of a task.
    const expire = (): void => running.stop(new DrainedError(`pool ${spec.name} of node ${node} stops`));
    let grace: Timer | undefined;
    const stopping = (): void => void (grace = clock.timer(graceMs, expire));
    signal.addEventListener('abort', stopping, { once: true });
    // By the pool itself, to the very end: while it stops, and while a worker that has crashed waits for its task.
    const beats = clock.every(beatMs(ackWaitMs), beat);
    beat();
    const over = (): void => {
      signal.removeEventListener('abort', stopping);
      grace?.cancel();
      beats.cancel();
    };
    return { exit: exit.finally(over) };
  };
  const cancel = (recordKey: string): void => {
    running.cancel(recordKey);
    if (options.starts) feeding.send({ type: 'cancel', recordKey });
  };
  return { name: spec.name, start, cancel, runs: running.has };
};

const gateOf = (
  { ports, workers, node }: PoolOptions,
  starts: NonNullable<PoolOptions['starts']>,
): BudgetGateOptions => ({
  ...starts,
  ...ports,
  now: () => ports.queue.now(),
  workers,
  note: (delivery, budget) => noteBudgetWait(ports, delivery, { budget, node }),
  giveBack: (delivery, budget, delayMs) => giveBackForBudget(ports, delivery, { budget, node }, delayMs),
});

/** The workers, under a supervisor of their own: one that crashes often does not take the puller along at once. */
const workersOf = (
  refs: ReadonlyMap<string, Actor<WorkerMessage>>,
  { ports: { clock }, onEvent, graceMs }: PoolOptions,
): Start => {
  const children = [...refs].map(([id, { start }]) => ({
    id,
    start,
    restart: 'permanent' as const,
    shutdownMs: graceMs + settleMs,
  }));
  return supervisor({ strategy: 'one_for_one', intensity: 100, periodMs: 10_000, children }, { clock, onEvent }).start;
};
