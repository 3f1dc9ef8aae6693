import { expect, onTestFinished, test } from 'vitest';
import { consumerWatch } from '../../src/actors/consumer-watch.ts';
import type { Connection } from '../../src/bus/bus.ts';
import type { ConsumerInfo, ConsumerSpec } from '../../src/bus/queue.ts';
import { NotFoundError, UnavailableError } from '../../src/kernel/errors.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';

const spec = (name: string): ConsumerSpec => ({
  stream: 'WORK_default',
  name,
  filter: `work.main.default.${name}.>`,
  ackWaitMs: 30_000,
  maxAckPending: 10,
});
const info: ConsumerInfo = { pending: 7, ackPending: 2, redelivered: 0, waiting: 0, ackFloor: 0, handedOut: 0 };

const opened = async () => {
  const clock = virtualClock();
  const there = new Set(['high', 'normal']);
  const made: string[] = [];
  const told: unknown[] = [];
  const bus: { connection: Connection } = { connection: 'connected' };
  const wrong: { with?: Error } = {};
  const queue = {
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
  const log = { ...silentLog, warn: (...what: unknown[]) => void told.push(what) };
  const metrics = createMetrics();
  const life = new AbortController();
  const consumers = ['high', 'normal'].map(spec);
  const { exit } = await consumerWatch({ bus, queue, clock, log, metrics, consumers })(life.signal);
  onTestFinished(async () => {
    life.abort();
    await exit;
  });
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

test('where its stream is gone too, that is said once each time', async () => {
  const { clock, there, made, told, wrong } = await opened();
  for (const times of [1, 2]) {
    wrong.with = new NotFoundError('no such stream');
    there.delete('normal');
    await clock.advance(90_000);
    expect(told.length).toBe(2 * times - 1);
    expect(told.at(-1)).toEqual([
      { stream: 'WORK_default', consumer: 'normal' },
      expect.stringContaining('the next node that starts makes it anew'),
    ]);
    delete wrong.with;
    await clock.advance(30_000);
    expect([made.length, told.length]).toEqual([times, 2 * times]);
  }
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
