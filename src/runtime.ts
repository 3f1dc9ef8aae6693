/**
 * What a node runs, built on ports alone: the same for a process on NATS and Postgres and for a test in memory. Doors
 * come last, so that they close first; the projector comes first, so that it sees what the others write.
 */
import { cancelHints } from './actors/cancel-hints.ts';
import { answerWhereabouts } from './actors/whereabouts.ts';
import { fromCron } from './actors/cron.ts';
import { doors } from './actors/doors.ts';
import { doorsService } from './actors/doors-service.ts';
import { fromDue } from './actors/due.ts';
import { gatekeeper } from './actors/gatekeeper.ts';
import { answerHistory } from './actors/history.ts';
import { fromInbox } from './actors/ingress.ts';
import { intake } from './actors/intake.ts';
import { keeper } from './actors/keeper.ts';
import { limiter } from './actors/limiter.ts';
import { afterMigration } from './actors/migration.ts';
import { type Pool, pool } from './actors/pool.ts';
import { projector, projectorConsumers } from './actors/projector.ts';
import { provision, tellUnserved } from './actors/provisioner.ts';
import { schedules } from './actors/schedules.ts';
import { answerServing } from './actors/serving.ts';
import { sweeper } from './actors/sweeper.ts';
import { topologyWatch } from './actors/topology-watch.ts';
import { admission } from './app/admission.ts';
import { executor } from './app/executor.ts';
import { registry } from './app/registry.ts';
import { tellNeverFull } from './app/never-full.ts';
import type { ResolvedApp, ResolvedPool } from './app/resolved.ts';
import { startBudgets } from './app/start-budgets.ts';
import type { Blobs } from './bus/blobs.ts';
import type { Bus } from './bus/bus.ts';
import type { Queue } from './bus/queue.ts';
import { buckets, consumers, streams } from './bus/subjects.ts';
import type { Clock } from './kernel/clock.ts';
import type { Log } from './kernel/log.ts';
import type { Metrics } from './kernel/metrics.ts';
import { type Start, stoppedBy } from './kernel/process.ts';
import type { Random } from './kernel/random.ts';
import { aborted } from './kernel/signal.ts';
import { bucket } from './kv/bucket.ts';
import { permits as permitsOf } from './limiter/client.ts';
import type { Permits } from './limiter/permits.ts';
import { cache } from './llm/cache.ts';
import { modelLayer } from './llm/layer.ts';
import { countUnchecked } from './llm/model-fetch.ts';
import type { Store } from './store/store.ts';
import type { ChildSpec } from './supervisor/child.ts';
import { supervisor, type SupervisorEvent } from './supervisor/supervisor.ts';
import type { Admission } from './task/admission.ts';
import type { Executor } from './task/executor.ts';
import { finishCancel } from './task/cancel.ts';
import type { Doors } from './task/doors.ts';
import type { TaskPorts } from './task/ports.ts';
import { topology } from './task/topology.ts';

export interface RuntimeOptions {
  readonly app: ResolvedApp;
  readonly bus: Bus;
  readonly queue: Queue;
  readonly blobs: Blobs;
  readonly store: Store;
  /** Whether this node writes records to the store; one at least must. */
  readonly projects: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly node: string;
  /** Troupe's, for `nats micro`. */
  readonly version: string;
  readonly region: string;
  readonly ackWaitMs: number;
  readonly graceMs: number;
  readonly recordLifeMs: number;
  readonly replicas: number;
  readonly queueBytes: number;
  /** What grants the budgets, instead of their limiters. */
  readonly permits?: Permits;
  /** What runs the app's handlers, instead of the executor alone. */
  readonly around?: (executor: Executor) => Executor;
}

export interface Runtime {
  readonly start: Start;
  /** Open as long as the ports are; whoever made the runtime closes them. */
  readonly doors: Doors;
  readonly ports: TaskPorts;
}

/** Of a node, at once. Nothing wakes a pool that sleeps yet. */
const workersOf = ({ workers }: Pick<ResolvedPool, 'workers'>): number => Math.max(1, workers.min);

export const runtime = (options: RuntimeOptions): Runtime => {
  const { app, queue, store, clock, log, metrics } = options;
  const keeping = keeper(options);
  const projection = projector({ ...options, finishCancel: (recordKey) => finishCancel(ports, recordKey) });
  const ports: TaskPorts = {
    ...options,
    records: bucket(queue, buckets.tasks),
    history: store,
    shortestLifeMs: options.recordLifeMs,
    recordLifeMs: keeping.lifeMs,
  };
  const names = registry(app);
  const parts: Parts = {
    options,
    ports,
    admission: admission(names),
    onEvent: reporting(log, metrics),
  };
  const answering = doors({ ports, store, admission: parts.admission });
  const projecting = [
    child('projector', afterMigration(options, projection)),
    child('keeper', keeping.start),
    child('gatekeeper', gatekeeper({ ...options, behind: keeping.behind })),
  ];
  const { streams: all, consumers: reading } = topology({
    ...options,
    pools: [...app.pools.values()].map(({ name, queue: { max } }) => ({ name, tasksMax: max })),
    workBytes: options.queueBytes,
  });
  const plan = { streams: all, consumers: [...reading, ...projectorConsumers(options.ackWaitMs)] };

  const scheduling = schedules(options, app.schedules);
  const renewed = (stream: string): void => {
    if (stream === streams.sched) scheduling.look();
  };

  const start: Start = async (signal) => {
    await provision(queue, plan, log);
    await tellUnserved(queue, log, { ...plan, region: options.region });
    tellNeverFull(log, app, workersOf);
    const life = new AbortController();
    const deps = (): Promise<unknown> => app.deps(life.signal);
    const answers = cache({ ...options, bucket: bucket(queue, buckets.cache), now: () => queue.now() });
    const limits = options.permits ? { permits: options.permits, children: [] } : limiting(options);
    const models = await modelLayer({
      models: app.models,
      embeddings: app.embeddings,
      permits: limits.permits,
      ports,
      cache: answers,
    });
    const handlers = executor({ registry: names, admission: parts.admission, ports, deps, models });
    const pools = poolsOf(parts, options.around?.(handlers) ?? handlers, limits.permits);
    const children = [
      ...(options.projects ? projecting : []),
      child('topology watch', topologyWatch({ ...options, renewed }, plan)),
      ...limits.children,
      child('cancel hints', cancelHints(options.bus, pools)),
      ...(options.projects ? [child('history', answerHistory(options))] : []),
      child('whereabouts', answerWhereabouts({ ...options, pools, permits: limits.permits })),
      // It says no more as soon as they take no more.
      child('serving', stoppedBy(signal, answerServing({ ...options, pools }))),
      // All at once with the node, whichever it comes to first: none takes anything more while another one drains.
      ...pools.map((each) => child(`pool ${each.name}`, stoppedBy(signal, each.start), options.graceMs)),
      child('schedules', scheduling.start),
      child('sweeper', sweeper(ports)),
      ...intakes(parts),
      child('ingress service', doorsService({ ...options, ports, doors: answering })),
    ];
    const tree = supervisor(
      { strategy: 'one_for_one', intensity: 5, periodMs: 60_000, children },
      { clock, onEvent: parts.onEvent },
    );
    const { exit } = await tree.start(signal);
    const stopCounting = countUnchecked(metrics.limiterUnchecked.labels());
    const stopped = (): void => {
      stopCounting();
      life.abort();
    };
    return { exit: exit.finally(stopped) };
  };

  return { start, doors: answering, ports };
};

interface Parts {
  readonly options: RuntimeOptions;
  readonly ports: TaskPorts;
  readonly admission: Admission;
  readonly onEvent: (event: SupervisorEvent) => void;
}

const poolsOf = ({ options, ports, onEvent }: Parts, handlers: Executor, permits: Permits): readonly Pool[] => {
  const { app, node, ackWaitMs, graceMs } = options;
  const budgets = startBudgets(app);
  return [...app.pools.values()].map((resolved) =>
    pool({
      pool: { ...resolved, max: resolved.workers.max },
      workers: workersOf(resolved),
      node,
      ports,
      executor: handlers,
      ackWaitMs,
      graceMs,
      onEvent,
      ...(budgets.size > 0 && { starts: { budgets, permits } }),
    }),
  );
};

/** The limiters outlive the workers, who have to say what has become of their permits. */
const limiting = (options: RuntimeOptions): { readonly permits: Permits; readonly children: readonly ChildSpec[] } => {
  const { budgets } = options.app;
  const permits = permitsOf({ ...options, budgets });
  return {
    permits,
    children: [
      ...[...budgets.values()].map((budget) => child(`limiter ${budget.name}`, limiter({ ...options, budget }))),
      child('permits', (signal) => Promise.resolve({ exit: aborted(signal).then(permits.close) })),
    ],
  };
};

/** How long a part may take to stop beyond what it was promised. */
const settleMs = 10_000;

const child = (id: string, start: Start, graceMs = 0): ChildSpec => ({
  id,
  start,
  restart: 'permanent',
  shutdownMs: graceMs + settleMs,
});

/** What reads INBOX and SCHED. */
const intakes = ({ options, ports, admission: admit }: Parts): readonly ChildSpec[] => {
  const { queue, ackWaitMs } = options;
  const task = fromDue(ports);
  const cron = fromCron({ ports, admission: admit });
  const read = { queue, clock: options.clock, log: options.log, ackWaitMs, concurrency: 256 };
  return [
    child(
      'inbox',
      intake({
        ...read,
        stream: streams.inbox,
        consumer: consumers.ingress,
        handle: fromInbox({ ports, admission: admit }),
      }),
    ),
    child(
      'due',
      intake({
        ...read,
        stream: streams.sched,
        consumer: consumers.due,
        handle: (delivery) => (delivery.subject.startsWith('due.cron.') ? cron(delivery) : task(delivery)),
      }),
    ),
  ];
};

/** What a supervisor says of its children: logged, and counted. */
export const reporting =
  (log: Log, metrics: Pick<Metrics, 'restarts'>) =>
  (event: SupervisorEvent): void => {
    const { type, child: id } = event;
    if (type === 'restarted') metrics.restarts.labels(id).inc();
    if ('error' in event) log.error({ err: event.error, child: id }, `child ${type}`);
    else log.warn({ child: id }, `child ${type}`);
  };
