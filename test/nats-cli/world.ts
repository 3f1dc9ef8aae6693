/** A node on a nats-server of its own, and an outsider who has a NATS client and nothing of Troupe's. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect, headers as newHeaders, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import { resolveApp } from '../../src/app/resolve.ts';
import { connectNats } from '../../src/bus/nats/connection.ts';
import { systemClock as clock } from '../../src/kernel/clock.ts';
import { type Log, silentLog } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { systemRandom as random } from '../../src/kernel/random.ts';
import { redact } from '../../src/kernel/redact.ts';
import { runtime } from '../../src/runtime.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { type Collected, collect } from '../contract/world.ts';
import { freshNats } from '../setup/servers.ts';
import app from './app.ts';

const mb = 1024 * 1024;

/** Lines as they would be written. */
const keptLog = () => {
  const lines: string[] = [];
  const write = (level: string) => (fields: object | string, message?: string) => {
    const own = typeof fields === 'string' ? { msg: fields } : { ...Object(redact(fields)), msg: message };
    lines.push(JSON.stringify({ level, time: 1_795_234_991_609, node: 'n1', ...own }));
  };
  const log: Log = { ...silentLog, warn: write('warn'), error: write('error'), child: () => log };
  return { log, lines };
};

const startNode = async (url: string) => {
  const ports = await connectNats({ servers: url, name: 'node/n1', clock, random, log: silentLog });
  const metrics = createMetrics();
  const { log, lines } = keptLog();
  const { start, doors } = runtime({
    ...ports,
    app: resolveApp(app),
    store: memoryStore(),
    projects: true,
    version: '1.2.3',
    clock,
    random,
    log,
    metrics,
    node: 'n1',
    region: 'main',
    ackWaitMs: 5_000,
    graceMs: 1_000,
    recordLifeMs: 3_600_000,
    replicas: 1,
    queueBytes: 64 * mb,
  });
  const life = new AbortController();
  const { exit } = await start(life.signal);
  const stop = async (): Promise<void> => {
    life.abort();
    await exit;
    doors.close();
    await ports.bus.close();
  };
  return { metrics, lines, stop };
};

export type Headers = Readonly<Record<string, string>>;

const hdrs = (headers: Headers | undefined): { headers?: MsgHdrs } => {
  if (!headers) return {};
  const made = newHeaders();
  for (const [name, value] of Object.entries(headers)) made.set(name, value);
  return { headers: made };
};

/** What an outsider does: the same as the `nats` command does with the same words. */
const outsider = async (url: string) => {
  const nc = await connect({ servers: url });
  const js = jetstream(nc);
  const jsm = await jetstreamManager(nc);
  const kv = new Kvm(js);
  return {
    nc,
    js,
    jsm,
    bucket: (name: string) => kv.open(name),
    /** `nats pub -J` */
    pub: (subject: string, payload: string | Uint8Array = '', headers?: Headers) =>
      js.publish(subject, payload, hdrs(headers)),
    /** `nats req` */
    req: async (subject: string, payload: string | Uint8Array = '', headers?: Headers): Promise<Answer> => {
      const answer = await nc.request(subject, payload, { timeout: 10_000, ...hdrs(headers) });
      const code = answer.headers?.get('Nats-Service-Error-Code');
      return { ...(code ? { code: Number(code) } : {}), ...answer.json<Answer>() };
    },
    /** `nats kv get tasks <key> --raw`; undefined where there is none. */
    record: async (key: string): Promise<Answer | undefined> => (await (await kv.open('tasks')).get(key))?.json(),
    /** `nats stream subjects` */
    subjects: async (stream: string, filter = '>') =>
      Object.keys((await jsm.streams.info(stream, { subjects_filter: filter })).state.subjects ?? {}).toSorted(),
    /** `nats sub` */
    sub: (subject: string): Collected<Msg> => {
      const heard = collect<Msg>();
      nc.subscribe(subject, { callback: (_error, message) => heard.push(message) });
      return heard;
    },
  };
};

/** An answer or a record, as far as the tests read it. */
export interface Answer {
  readonly id: string;
  readonly type: string;
  readonly status: string;
  readonly next: readonly string[];
  readonly error?: { readonly code: string; readonly message: string; readonly reason?: string };
  readonly [name: string]: unknown;
}

export interface Letter extends Answer {
  readonly subject: string;
  readonly reason: string;
  readonly input: string;
}

export type World = Awaited<ReturnType<typeof startWorld>>;

/** In `beforeAll`; the server goes by itself, the node is stopped with `stop`. */
export const startWorld = async () => {
  const { url } = await freshNats();
  const node = await startNode(url);
  const own = await outsider(url);
  const letters = collect<Letter>();
  const dlq = await own.js.consumers.get('DLQ');
  const reading = await dlq.consume({
    callback: (message) => letters.push({ ...message.json<Letter>(), subject: message.subject }),
  });
  const stop = async (): Promise<void> => {
    reading.stop();
    await own.nc.close();
    await node.stop();
  };
  return { url, ...own, ...node, letters, stop };
};
