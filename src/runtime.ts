/**
 * What a node runs, built on ports alone: the same for a process on NATS and Postgres and for a test in memory. Doors
 * come last, so that they close first; the projector comes first, so that it sees what the others write.
 */
import { cancelHints } from './actors/cancel-hints.ts';
import { answerWhereabouts } from './actors/whereabouts.ts';
import { doors } from './actors/doors.ts';
import { doorsService } from './actors/doors-service.ts';
import { gatekeeper } from './actors/gatekeeper.ts';
import { answerHistory } from './actors/history.ts';
import { keeper } from './actors/keeper.ts';
import { afterMigration } from './actors/migration.ts';
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
import { buckets, streams } from './bus/subjects.ts';
import { type Start, stoppedBy } from './kernel/process.ts';
import { bucket } from './kv/bucket.ts';
import { cache } from './llm/cache.ts';
import { modelLayer } from './llm/layer.ts';
import { countUnchecked } from './llm/model-fetch.ts';
import { supervisor } from './supervisor/supervisor.ts';
import { finishCancel } from './task/cancel.ts';
import type { Doors } from './task/doors.ts';
import type { TaskPorts } from './task/ports.ts';
import { topology } from './task/topology.ts';
import { child, intakes, limiting, poolsOf, reporting, workersOf } from './runtime/children.ts';
import type { Parts, RuntimeOptions } from './runtime/options.ts';

export interface Runtime {
  readonly start: Start;
  /** Open as long as the ports are; whoever made the runtime closes them. */
  readonly doors: Doors;
  readonly ports: TaskPorts;
}

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
