import { expect, test } from 'vitest';
import { provision, tellUnserved } from '../../src/actors/provisioner.ts';
import type { Queue } from '../../src/bus/queue.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { type TopologyOptions, topology } from '../../src/task/topology.ts';
import { bytes, open } from '../task/world.ts';

const mb = 1024 * 1024;
const options: TopologyOptions = {
  region: 'main',
  pools: [{ name: 'default', tasksMax: 1_000 }],
  ackWaitMs: 30_000,
  replicas: 1,
  workBytes: 512 * mb,
};

test('nothing that holds accepted tasks drops any: not by age, and not by size', () => {
  for (const { keep, maxAgeMs, maxBytes, schedules, name } of topology(options).streams) {
    if (keep === 'limits') expect(maxBytes, name).toBeDefined();
    else expect(maxAgeMs, name).toBeUndefined();
    // The server cannot refuse and keep schedules at a time: that stream has no limit at which it would have to.
    if (schedules) expect(maxBytes, name).toBeUndefined();
    else expect(maxBytes, name).toBeGreaterThan(0);
  }
});

test('every pool has its stream, and every lane its consumer; a region has its own', () => {
  const { streams, consumers } = topology({
    ...options,
    region: 'eu',
    pools: ['default', 'slow'].map((name) => ({ name, tasksMax: 7 })),
  });
  const names = streams.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(['INBOX', 'SCHED', 'DLQ', 'KV_tasks', 'WORK_eu_default', 'WORK_eu_slow']),
  );
  const lanes = consumers.filter(({ stream }) => stream === 'WORK_eu_slow');
  expect(streams.find(({ name }) => name === 'WORK_eu_slow')?.maxMessages).toBe(7);
  expect(lanes.map(({ name, filter }) => [name, filter])).toEqual(
    ['high', 'normal', 'low'].map((lane) => [`slow-${lane}`, `work.eu.slow.${lane}.>`]),
  );
});

test('it may run again and again, beside others, and changes nothing that is there', async () => {
  const { queue, node } = await open();
  await queue.publish('work.main.default.normal.0.t.a', bytes('1'));
  const before = await queue.streamInfo('WORK_default');
  const plan = topology({ ...options, workBytes: 64 * mb });
  await Promise.all([queue, node().queue, queue].map((each) => provision(each, plan, silentLog)));
  expect(await queue.streamInfo('WORK_default')).toEqual(before);
});

test('an account that could not hold all limits together, with room to spare, is refused before anything is made', async () => {
  const { queue } = await open();
  const made: string[] = [];
  const limited = (bytesMax: number): Queue => ({
    ...queue,
    storageLimit: async () => bytesMax,
    ensureStream: (spec) => {
      made.push(spec.name);
      return queue.ensureStream(spec);
    },
  });
  const plan = topology({ ...options, workBytes: 64 * mb });
  const sum = plan.streams.reduce(
    (all, { maxBytes = 256 * mb, storage }) => all + (storage === 'memory' ? 0 : maxBytes),
    0,
  );
  await expect(provision(limited(sum * 1.29), plan, silentLog)).rejects.toMatchObject({
    code: 'configuration',
    message: expect.stringContaining('raise max_file, or lower TROUPE_QUEUE_BYTES'),
  });
  expect(made).toEqual([]);
  await provision(limited(sum * 1.31), plan, silentLog);
  expect(made.length).toBe(plan.streams.length);
});

test('tasks that wait in a pool of another app, or of an earlier version, are told of with their number', async () => {
  const { queue } = await open();
  const plan = { ...topology(options), region: 'main' };
  const told: unknown[] = [];
  const log = { ...silentLog, warn: (...what: unknown[]) => void told.push(what) };
  await tellUnserved(queue, log, plan);
  expect(told).toEqual([]);
  for (const subject of ['work.main.slow.low.0.t.a', 'work.main.slow.low.0.t.b', 'work.main.default.low.0.t.c'])
    await queue.publish(subject, bytes('1'));
  await tellUnserved(queue, log, plan);
  expect(told).toEqual([
    [{ stream: 'WORK_slow', tasks: 2 }, expect.stringContaining('pool that this app does not have')],
  ]);
});

test('an ack wait is not shortened under those who use it: a node says so, and shortens it where nobody does', async () => {
  const { queue, clock } = await open();
  const told: unknown[] = [];
  const log = { ...silentLog, warn: (...what: unknown[]) => void told.push(what) };
  const given = (ackWaitMs: number) => provision(queue, topology({ ...options, ackWaitMs }), log);
  const kept = { deliver: () => {}, ended: () => {} };
  const other = queue.consume('WORK_default', 'default-normal', kept);
  other.pull({ batch: 1, waitMs: 60_000 });
  await clock.settle();
  await given(2_000);
  expect(told).toEqual([
    [{ consumers: ['WORK_default/default-normal: 30000 ms'] }, expect.stringContaining('while no other runs')],
  ]);
  await given(60_000);
  expect(told.length).toBe(1);
  await other.close();
  await given(1_000);
  expect(told.length).toBe(1);
});
