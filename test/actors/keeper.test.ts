/** What becomes of terminal records while the store is away. */
import { beforeEach, expect, test } from 'vitest';
import { type Keeper, keeper } from '../../src/actors/keeper.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { buckets, taskKey } from '../../src/bus/subjects.ts';
import { type Log, silentLog } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { bucket } from '../../src/kv/bucket.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { TaskRecord } from '../../src/task/record.ts';
import { done, driven, provision, record, running, type, writing } from './projector-world.ts';

const hourMs = 3_600_000;
const weekMs = 168 * hourMs;

const world = async () => {
  const clock = virtualClock();
  const broker = memoryBroker({ clock, random: seededRandom(7) });
  const { queue, blobs } = broker.connect();
  const store = memoryStore();
  await driven(clock, provision(queue));
  const metrics = createMetrics();
  const told: unknown[] = [];
  const log: Log = { ...silentLog, warn: (_fields, message) => told.push(message) };
  const keep = async (): Promise<Keeper> => {
    const made = keeper({ queue, clock, log, metrics, recordLifeMs: hourMs });
    await made.start(new AbortController().signal);
    return made;
  };
  return { clock, broker, queue, blobs, store, metrics, told, keep };
};

let here: Awaited<ReturnType<typeof world>>;
beforeEach(async () => {
  here = await world();
});

const ids = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `task-${index}`);
const put = (ttlMs: number | undefined, ...records: readonly TaskRecord[]) =>
  driven(here.clock, writing(here.queue, ttlMs).put(...records));
const entry = (id: string) => driven(here.clock, bucket(here.queue, buckets.tasks).get(taskKey(type, id)));
const statusOf = async (id: string) => (await here.store.task(type, id))?.status;

test('a store that is away for longer than a record lives gets every record that ended meanwhile', async () => {
  await running(here, { batch: 20 });
  await here.keep();
  here.store.setAvailable(false);
  const early = ids(300);
  await put(hourMs, ...early.map((id) => done(id)));
  await here.clock.advance(20 * 60_000);
  // By a node without a database, which never knows that the projection is late.
  await put(hourMs, done('later'));
  await here.clock.advance(50 * 60_000);
  here.store.setAvailable(true);
  await here.clock.advance(60_000);
  for (const id of [...early, 'later']) expect({ id, status: await statusOf(id) }).toEqual({ id, status: 'completed' });
});

test('a node that starts while the store is away keeps what others had written', async () => {
  await put(hourMs, done('one'));
  await here.clock.advance(30 * 60_000);
  await here.keep();
  await here.clock.advance(hourMs);
  expect(await entry('one')).toMatchObject({ ttlMs: weekMs });
});

test('a record is kept as it was, byte for byte, and written once', async () => {
  await put(hourMs, done('one'));
  const before = await entry('one');
  await Promise.all([here.keep(), here.keep()]);
  await here.clock.advance(hourMs);
  const after = await entry('one');
  expect(after?.value).toEqual(before?.value);
  expect(after?.revision).toBe((before?.revision ?? 0) + 1);
});

test('what is no terminal record, or does not forget itself, is left alone', async () => {
  await put(undefined, record('running', { attempt: 1 }), done('for ever'));
  const foreign = { ttlMs: 2 * hourMs };
  await driven(here.clock, here.queue.publish('$KV.tasks.x', new TextEncoder().encode('garbage'), foreign));
  await put(2 * hourMs, record('waiting', { attempt: 1 }));
  await here.keep();
  await here.clock.advance(hourMs);
  expect(await entry('running')).toMatchObject({ revision: 1 });
  expect(await entry('for ever')).toMatchObject({ revision: 2 });
  expect(await driven(here.clock, bucket(here.queue, buckets.tasks).get('x'))).toMatchObject({ revision: 3 });
  expect(await entry('waiting')).toMatchObject({ revision: 4, ttlMs: 2 * hourMs });
});

test('while all is projected, nothing is written again, and what ends lives for as long as it is told to', async () => {
  await running(here);
  const { lifeMs, behind } = await here.keep();
  await put(hourMs, done('one'));
  await here.clock.advance(30 * 60_000);
  expect(await entry('one')).toMatchObject({ revision: 1 });
  expect([lifeMs(), behind()]).toEqual([hourMs, false]);
  expect(here.told).toEqual([]);
});

test('the projection is late, and then too far behind, until what was kept is in the store', async () => {
  await running(here);
  const { lifeMs, behind } = await here.keep();
  here.store.setAvailable(false);
  await put(hourMs, done('one'));
  await here.clock.advance(16 * 60_000);
  expect([lifeMs(), behind()]).toEqual([weekMs, false]);
  await here.clock.advance(15 * 60_000);
  // Written again, the record is young; what it tells is not.
  expect([lifeMs(), behind()]).toEqual([weekMs, true]);
  here.store.setAvailable(true);
  await here.clock.advance(60_000);
  expect([lifeMs(), behind()]).toEqual([hourMs, false]);
});

test('what refuses its writes holds it up, is told of once, and loses nothing if it is over in time', async () => {
  await put(hourMs, done('one'));
  await here.keep();
  here.broker.next('publish', 'refuse', { subject: '$KV.tasks.>', times: 100 });
  await here.clock.advance(30 * 60_000);
  expect(here.told).toEqual([
    'the keeper of records is held up; it tries again',
    'the projection is late: records that it has not seen live longer',
  ]);
  expect(await entry('one')).toMatchObject({ ttlMs: weekMs });
});

test('the metrics say by how much history is behind, until it is not', async () => {
  await running(here);
  await here.keep();
  const behind = async (): Promise<number> => {
    const text = await here.metrics.text();
    return Number(/^troupe_projection_behind_seconds (.*)$/m.exec(text)?.[1]);
  };
  here.store.setAvailable(false);
  await put(hourMs, done('one'));
  await here.clock.advance(10 * 60_000);
  expect(await behind()).toBeGreaterThan(590);
  here.store.setAvailable(true);
  await here.clock.advance(60_000);
  expect(await behind()).toBe(0);
});
