/** One node of a test: the real runtime on a memory broker, which can stop as it should or die on the spot. */
import type { ResolvedApp } from '../app/resolved.ts';
import type { MemoryBroker } from '../bus/memory/broker.ts';
import { silentLog } from '../kernel/log.ts';
import { createMetrics } from '../kernel/metrics.ts';
import type { Random } from '../kernel/random.ts';
import type { VirtualClock } from '../kernel/virtual-clock.ts';
import { runtime } from '../runtime.ts';
import type { Store } from '../store/store.ts';
import { mortalClock } from './mortal-clock.ts';
import { mortalExecutor } from './mortal-executor.ts';
import { freePermits } from './permits.ts';

export interface TestNodeOptions {
  readonly app: ResolvedApp;
  readonly broker: MemoryBroker;
  readonly store: Store;
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly name: string;
}

export interface TestNode {
  /** Drains. Rejects with what crashed the node, if something did. */
  stop(): Promise<void>;
  /** Nothing of it runs any more but what a handler does by itself, and nothing it had under way arrives. */
  crash(): void;
}

const mb = 1024 * 1024;
const settings = {
  projects: true,
  version: '0.0.0',
  region: 'main',
  ackWaitMs: 30_000,
  graceMs: 25_000,
  recordLifeMs: 3_600_000,
  replicas: 1,
  queueBytes: 512 * mb,
} as const;

export const startNode = async ({ app, broker, store, clock, random, name }: TestNodeOptions): Promise<TestNode> => {
  const { bus, queue, blobs, cut } = broker.connect();
  const own = mortalClock(clock);
  const life = new AbortController();
  const { start, doors } = runtime({
    ...settings,
    app,
    bus,
    queue,
    blobs,
    store,
    clock: own,
    random,
    log: silentLog,
    metrics: createMetrics(),
    node: name,
    permits: freePermits(own),
    around: (executor) => mortalExecutor(own, executor),
  });
  const { exit } = await start(life.signal);
  exit.catch(() => {}); // `stop` tells.

  return {
    stop: async () => {
      life.abort();
      await exit;
      doors.close();
      await bus.close();
    },
    crash: () => {
      own.die();
      cut();
      void bus.close(); // Cut off as it is, it has nothing to wait for, and cannot come back.
    },
  };
};
