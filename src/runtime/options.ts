/** What a runtime is made of, and for. */
import type { ResolvedApp } from '../app/resolved.ts';
import type { Blobs } from '../bus/blobs.ts';
import type { Bus } from '../bus/bus.ts';
import type { Queue } from '../bus/queue.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Random } from '../kernel/random.ts';
import type { Permits } from '../limiter/permits.ts';
import type { Store } from '../store/store.ts';
import type { SupervisorEvent } from '../supervisor/supervisor.ts';
import type { Admission } from '../task/admission.ts';
import type { Executor } from '../task/executor.ts';
import type { TaskPorts } from '../task/ports.ts';

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

/** What its parts have in common. */
export interface Parts {
  readonly options: RuntimeOptions;
  readonly ports: TaskPorts;
  readonly admission: Admission;
  readonly onEvent: (event: SupervisorEvent) => void;
}
