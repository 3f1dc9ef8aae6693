import { expect, onTestFinished, test } from 'vitest';
import { provision } from '../../src/actors/provisioner.ts';
import { topologyWatch } from '../../src/actors/topology-watch.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import type { Connection } from '../../src/bus/bus.ts';
import type { ConsumerInfo, ConsumerSpec, Queue } from '../../src/bus/queue.ts';
import { NotFoundError, UnavailableError } from '../../src/kernel/errors.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { topology } from '../../src/task/topology.ts';

const spec = (name: string): ConsumerSpec => ({
  stream: 'WORK_default',
  name,
  filter: `work.main.default.${name}.>`,
  ackWaitMs: 30_000,
  maxAckPending: 10,
});
const info: ConsumerInfo = { pending: 7, ackPending: 2, redelivered: 0, waiting: 0, ackFloor: 0, handedOut: 0 };
const random = seededRandom(1);

const logged = () => {
  const told: unknown[] = [];
  return { told, log: { ...silentLog, warn: (...what: unknown[]) => void told.push(what) } };
};

/** Until the test ends. */
const running = async (...[options, plan]: Parameters<typeof topologyWatch>): Promise<void> => {
  const life = new AbortController();
  const { exit } = await topologyWatch(options, plan)(life.signal);
  onTestFinished(async () => {
    life.abort();
    await exit;
  });
};

const opened = async () => {
  const clock = virtualClock();
  const there = new Set(['high', 'normal']);
  const made: string[] = [];
  const { told, log } = logged();
  const bus: { connection: Connection } = { connection: 'connected' };
  const wrong: { with?: Error } = {};
  const queue = {
    streamsTaking: async () => ['WORK_default'],
    ensureStream: () => Promise.reject(new Error('none is gone')),
    consumerInfo: async (_stream: string, name: string) => {
      if (!there.has(name)) throw wrong.with ?? new NotFoundError('no such consumer');
      return info;
    },
    ensureConsumer: async ({ name, ackWaitMs }: ConsumerSpec) => {
      if (wrong.with) throw wrong.with;
      made.push(name);
      there.add(name);
      return { ackWaitMs };
    },
  };
  const metrics = createMetrics();
  const consumers = ['high', 'normal'].map(spec);
  const onConnection = () => ({ unsubscribe: () => {} });
  const listening = Object.assign(bus, { onConnection });
  await running({ bus: listening, queue, clock, random, log, metrics, renewed: () => {} }, { streams: [], consumers });
  return { clock, there, made, told, bus, wrong, metrics };
};

test('a consumer that somebody has deleted is made again, and that is said once', async () => {
  const { clock, there, made, told } = await opened();
  await clock.advance(60_000);
  expect([made, told]).toEqual([[], []]);
  there.delete('normal');
  await clock.advance(90_000);
  expect(made).toEqual(['normal']);
  expect(told).toEqual([
    [{ stream: 'WORK_default', consumer: 'normal' }, expect.stringContaining('was gone and is made again')],
  ]);
});

test('nobody is asked without a connection, and a server that does not answer is asked again', async () => {
  const { clock, there, made, told, bus, wrong } = await opened();
  there.delete('normal');
  bus.connection = 'disconnected';
  await clock.advance(60_000);
  expect(made).toEqual([]);
  bus.connection = 'connected';
  wrong.with = new UnavailableError('no leader');
  await clock.advance(60_000);
  expect([made, told]).toEqual([[], []]);
  delete wrong.with;
  await clock.advance(30_000);
  expect([made, told.length]).toEqual([['normal'], 1]);
});

test('the metrics say how much waits for each, and how much is in hand', async () => {
  const { clock, metrics } = await opened();
  await clock.advance(15_000);
  const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith('troupe_consumer'));
  expect(lines).toEqual([
    'troupe_consumer_pending{stream="WORK_default",consumer="high"} 7',
    'troupe_consumer_pending{stream="WORK_default",consumer="normal"} 7',
    'troupe_consumer_ack_pending{stream="WORK_default",consumer="high"} 2',
    'troupe_consumer_ack_pending{stream="WORK_default",consumer="normal"} 2',
  ]);
});

const plan = topology({
  region: 'main',
  pools: [{ name: 'default', tasksMax: 1_000 }],
  ackWaitMs: 30_000,
  replicas: 1,
  workBytes: 1_000_000,
});

test('streams that are gone are made anew with their consumers, by several nodes at once, and that is said', async () => {
  const clock = virtualClock();
  const broker = memoryBroker({ clock, random });
  const { told, log } = logged();
  const renewed: string[] = [];
  const watching = { clock, random, log, metrics: createMetrics(), renewed: (name: string) => void renewed.push(name) };
  await running({ ...broker.connect(), ...watching }, plan);
  await running({ ...broker.connect(), ...watching, log: silentLog, renewed: () => {} }, plan);
  await clock.advance(1_000);
  const { queue } = broker.connect();
  const found = Promise.all([
    queue.streamsTaking('>'),
    ...plan.consumers.map(({ stream, name }) => queue.consumerInfo(stream, name)),
  ]);
  await clock.advance(1_000);
  const names = plan.streams.map(({ name }) => name);
  expect((await found)[0].toSorted()).toEqual(names.toSorted());
  expect(renewed).toEqual(names);
  // What was in memory is no loss to speak of.
  const lost = names.filter((name) => name !== 'TOKENS');
  expect(told).toEqual(lost.map((stream) => [{ stream }, expect.stringContaining('made anew')]));
});

test('what the server kept in memory is made again when it is back, however long that takes, and nothing else', async () => {
  const clock = virtualClock();
  const broker = memoryBroker({ clock, random });
  const { bus, queue } = broker.connect();
  const provisioned = provision(queue, plan, silentLog);
  await clock.advance(1_000);
  await provisioned;
  const asked: string[] = [];
  const ensureStream: Queue['ensureStream'] = (each) => {
    asked.push(each.name);
    return asked.length < 4 ? Promise.reject(new UnavailableError('no leader yet')) : queue.ensureStream(each);
  };
  const { told, log } = logged();
  const own = { queue: { ...queue, ensureStream }, clock, random, log, metrics: createMetrics() };
  await running({ bus, ...own, renewed: () => {} }, plan);
  await clock.advance(5_000);
  broker.restart();
  await clock.advance(8_000); // Less than until the next look.
  expect(asked).toEqual(['TOKENS', 'TOKENS', 'TOKENS', 'TOKENS']);
  const found = queue.streamInfo('TOKENS');
  await clock.advance(1_000);
  expect(await found).toMatchObject({ name: 'TOKENS', messages: 0 });
  expect(told).toEqual([[{ err: expect.any(UnavailableError) }, expect.stringContaining('tried again')]]);
});
