/** The parts of a runtime that are made of several options, or of which there are several. */
import { fromCron } from '../actors/cron.ts';
import { fromDue } from '../actors/due.ts';
import { fromInbox } from '../actors/ingress.ts';
import { intake } from '../actors/intake.ts';
import { limiter } from '../actors/limiter.ts';
import { type Pool, pool } from '../actors/pool.ts';
import type { ResolvedPool } from '../app/resolved.ts';
import { startBudgets } from '../app/start-budgets.ts';
import { consumers, streams } from '../bus/subjects.ts';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Start } from '../kernel/process.ts';
import { aborted } from '../kernel/signal.ts';
import { permits as permitsOf } from '../limiter/client.ts';
import type { Permits } from '../limiter/permits.ts';
import type { ChildSpec } from '../supervisor/child.ts';
import type { SupervisorEvent } from '../supervisor/supervisor.ts';
import type { Executor } from '../task/executor.ts';
import type { Parts, RuntimeOptions } from './options.ts';

/** Of a node, at once. Nothing wakes a pool that sleeps yet. */
export const workersOf = ({ workers }: Pick<ResolvedPool, 'workers'>): number => Math.max(1, workers.min);

export const poolsOf = ({ options, ports, onEvent }: Parts, handlers: Executor, permits: Permits): readonly Pool[] => {
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
export const limiting = (
  options: RuntimeOptions,
): { readonly permits: Permits; readonly children: readonly ChildSpec[] } => {
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

export const child = (id: string, start: Start, graceMs = 0): ChildSpec => ({
  id,
  start,
  restart: 'permanent',
  shutdownMs: graceMs + settleMs,
});

/** What reads INBOX and SCHED. */
export const intakes = ({ options, ports, admission: admit }: Parts): readonly ChildSpec[] => {
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
