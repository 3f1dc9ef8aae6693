/** A node on a real nats-server, with its history in memory, and those who come to its doors. */
import { onTestFinished } from 'vitest';
import { z } from 'zod';
import type { Bus } from '../../src/bus/bus.ts';
import { connectNats } from '../../src/bus/nats/connection.ts';
import { resolveApp } from '../../src/app/resolve.ts';
import { createClient } from '../../src/connect.ts';
import { type App, defineApp, defineTask } from '../../src/index.ts';
import { systemClock as clock } from '../../src/kernel/clock.ts';
import { type Log, silentLog } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { systemRandom as random } from '../../src/kernel/random.ts';
import { runtime } from '../../src/runtime.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { freshNats } from '../setup/servers.ts';

const mb = 1024 * 1024;

/** A log that keeps its lines as they would be written. */
export const keptLog = () => {
  const lines: string[] = [];
  const write = (fields: object | string, message = ''): void =>
    void lines.push(JSON.stringify(typeof fields === 'string' ? { msg: fields } : { ...fields, msg: message }));
  const log: Log = { ...silentLog, warn: write, error: write, child: () => log };
  return { log, lines };
};

export interface WorldOptions {
  readonly queueBytes?: number;
  readonly region?: string;
  /** Of the nats-server, beside what it has in any case. */
  readonly config?: string;
}

/** In `beforeAll`, or within a test: everything ends with the file or the test. */
export const startWorld = async <A extends App>(
  app: A,
  { queueBytes = 64 * mb, region = 'main', config }: WorldOptions = {},
) => {
  const server = await freshNats(config === undefined ? {} : { config });
  const { url } = server;
  const { log, lines } = keptLog();
  const metrics = createMetrics();
  const store = memoryStore();
  const connect = (name: string) => connectNats({ servers: url, name, clock, random, log: silentLog });

  const startNode = async (node: string) => {
    const ports = await connect(node);
    const made = runtime({
      ...ports,
      app: resolveApp(app),
      store,
      projects: true,
      version: '1.2.3',
      clock,
      random,
      log,
      metrics,
      node,
      region,
      ackWaitMs: 5_000,
      graceMs: 1_000,
      recordLifeMs: 3_600_000,
      replicas: 1,
      queueBytes,
    });
    const life = new AbortController();
    const { exit } = await made.start(life.signal);
    const stop = async (): Promise<void> => {
      life.abort();
      await exit;
      made.doors.close();
      await ports.bus.close();
    };
    return { ...made, ...ports, stop };
  };

  const node = await startNode('n1');
  const plain = await connect('plain');

  return {
    server,
    url,
    store,
    metrics,
    lines,
    node,
    startNode,
    /** Somebody who speaks NATS and nothing of ours. */
    plain,
    /** Ends with the test. */
    client: async (options: { readonly app?: A; readonly tenant?: string } = {}) => {
      const client = await createClient<A>({ nats: url, ...options });
      onTestFinished(() => client.close());
      return client;
    },
    close: async (): Promise<void> => {
      await node.stop();
      await plain.bus.close();
    },
  };
};

const bytes = (body: unknown): Uint8Array =>
  body instanceof Uint8Array ? body : new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body));

export interface Asked {
  readonly headers: Readonly<Record<string, string>>;
  // What it is, a test says: it reads what anybody would.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

/** As `nats req` does. */
export const req = async (
  bus: Bus,
  subject: string,
  body: unknown = '',
  headers: Readonly<Record<string, string>> = {},
): Promise<Asked> => {
  const answer = await bus.request(subject, bytes(body), { headers, timeoutMs: 10_000 });
  return { headers: answer.headers, body: JSON.parse(new TextDecoder().decode(answer.data)) };
};

export const refused = async (
  bus: Bus,
  subject: string,
  body?: unknown,
  headers?: Readonly<Record<string, string>>,
) => {
  const answer = await req(bus, subject, body, headers);
  return { status: Number(answer.headers['Nats-Service-Error-Code'] ?? 0), ...answer.body.error };
};

/** Shows one thing, and another one when it is let go. */
export const showing = () => {
  const gate = Promise.withResolvers<void>();
  const shows = defineTask({
    name: 'shows',
    input: z.object({}),
    run: async (ctx) => {
      ctx.progress('one');
      await gate.promise;
      ctx.progress('two');
    },
  });
  return { shows, app: defineApp({ tasks: [shows] }), letGo: gate.resolve };
};
