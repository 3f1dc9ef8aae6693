/** A node in memory, but on the real clock and with its own limiter. */
import { onTestFinished } from 'vitest';
import { admission } from '../../src/app/admission.ts';
import type { App } from '../../src/app/app.ts';
import { registry } from '../../src/app/registry.ts';
import { resolveApp } from '../../src/app/resolve.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { client } from '../../src/client/client.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { type Log, silentLog } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { runtime } from '../../src/runtime.ts';
import { memoryStore } from '../../src/store/memory.ts';

export const limitedWorld = async <A extends App>(given: A, log: Log = silentLog) => {
  const app = resolveApp(given);
  const [clock, random, metrics] = [systemClock, seededRandom(1), createMetrics()];
  const broker = memoryBroker({ clock, random, log: silentLog });
  const parts = { clock, random, log, metrics, app, store: memoryStore(), ...broker.connect() };
  const life = new AbortController();
  const { start, doors, ports } = runtime({
    ...parts,
    projects: true,
    node: 'n',
    version: '0.0.0',
    region: 'main',
    ackWaitMs: 30_000,
    graceMs: 5_000,
    recordLifeMs: 3_600_000,
    replicas: 1,
    queueBytes: 64 * 1024 * 1024,
  });
  const { exit } = await start(life.signal);
  const admitting = admission(registry(app));
  const producer = client<A>({
    ...broker.connect(),
    clock,
    random,
    log: silentLog,
    region: 'main',
    admission: admitting,
  });
  onTestFinished(async () => {
    await producer.close();
    life.abort();
    await exit;
    doors.close();
  });
  const { bus } = broker.connect();
  /** What its limiter says of a budget. */
  const statusOf = async (budget: string): Promise<unknown> => {
    const { data } = await bus.request(`limiter.${budget}.status`, new Uint8Array());
    return JSON.parse(new TextDecoder().decode(data));
  };
  return { producer, metrics, statusOf, doors, records: ports.records };
};

/** A log whose warnings are kept. */
export const warnings = () => {
  const kept: (readonly [fields: unknown, message: string | undefined])[] = [];
  const log: Log = {
    ...silentLog,
    warn: (fields: object | string, message?: string) => void kept.push([fields, message]),
    child: () => log,
  };
  const of = (words: string) => kept.filter(([, message]) => message?.includes(words)).map(([fields]) => fields);
  return { log, of };
};
