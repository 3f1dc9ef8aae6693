import { beforeEach, describe, expect, test } from 'vitest';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { buckets, streams, subjects } from '../../src/bus/subjects.ts';
import { RefusedError, TimeoutError, UnavailableError } from '../../src/kernel/errors.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { bucket } from '../../src/kv/bucket.ts';
import type { TaskRecord } from '../../src/task/record.ts';
import { memoryStore, type MemoryStore } from '../../src/store/memory.ts';
import { done, driven, metric, provision, record, running, type, writing } from './projector-world.ts';

/** A broker and a store in memory, on a clock that only the test moves. */
const world = async () => {
  const clock = virtualClock();
  const broker = memoryBroker({ clock, random: seededRandom(7) });
  const { queue, blobs } = broker.connect();
  const store = memoryStore();
  const parts = { queue, blobs, store, clock };
  await driven(clock, provision(queue));
  return { clock, broker, queue, blobs, store, parts, ...writing(queue) };
};

let here: Awaited<ReturnType<typeof world>>;
beforeEach(async () => {
  here = await world();
});

const put = (...records: readonly TaskRecord[]) => driven(here.clock, here.put(...records));
const start = (options: Parameters<typeof running>[1] = {}) => running(here.parts, options);
const stored = (id: string) => here.store.task(type, id);
const letters = async () => {
  const found = await driven(here.clock, here.queue.subjects(streams.dlq, subjects.dlqs));
  return [...found.keys()];
};

test('a record becomes a row a moment after it is written', async () => {
  await start();
  const revision = await put(done('one'));
  await here.clock.advance(200);
  expect(await stored('one')).toMatchObject({ status: 'completed', revision, result: '{"text":"done"}' });
});

test('what was written before it started is projected too, in batches', async () => {
  const ids = Array.from({ length: 120 }, (_, index) => `task-${index}`);
  await put(...ids.map((id) => done(id)));
  const { metrics } = await start({ batch: 50 });
  await here.clock.advance(2_000);
  for (const id of ids) expect(await stored(id)).toMatchObject({ status: 'completed' });
  expect(await metric(metrics, 'projected_total')).toBe(120);
});

test('revisions that are written over while a batch lingers cost nothing', async () => {
  const { metrics } = await start();
  await put(record('one', { attempt: 1 }));
  await put(done('one'));
  await here.clock.advance(500);
  expect(await stored('one')).toMatchObject({ status: 'completed' });
  expect(await metric(metrics, 'projected_total')).toBe(1);
});

/** Text that can be parsed, and not written again. */
const nested = '['.repeat(100_000) + ']'.repeat(100_000);
const nestedRecord = JSON.stringify(done('deep')).replace('{"text":"done"}', nested);

describe('what can never be a row', () => {
  test('is dead-lettered once, counted, and keeps nothing else out', async () => {
    const poison = await put(done('poison', { text: 'a\0b' }));
    await put(done('one'), done('two'));
    const { metrics, lag } = await start();
    await here.clock.advance(500);
    expect(await stored('one')).toBeDefined();
    expect(await stored('two')).toBeDefined();
    expect(await stored('poison')).toBeUndefined();
    expect(await letters()).toEqual(['dlq.projector.refused.summarise.poison']);
    const letter = await driven(here.clock, here.queue.last(streams.dlq, subjects.dlqs));
    expect(JSON.parse(new TextDecoder().decode(letter?.data))).toMatchObject({
      reason: 'refused',
      key: 'summarise.poison',
      revision: poison,
      error: { code: 'refused' },
      record: expect.stringContaining('"result":{"text":"a\\u0000b"}'),
    });
    expect(await metrics.text()).toContain('troupe_projection_refused_total{reason="refused"} 1');
    expect(await driven(here.clock, lag())).toEqual({ pending: 0, behindMs: 0 });
    await here.clock.advance(120_000);
    expect(await metrics.text()).toContain('troupe_projection_refused_total{reason="refused"} 1');
  });

  test.each([
    ['x', 'garbage'],
    ['summarise.one', '{"v":1}'],
    ['summarise.one', ''],
  ])('such as garbage under %s (%j), is dead-lettered and never looked at again', async (key, text) => {
    await driven(here.clock, here.garbage(key, text));
    const { metrics, lag } = await start();
    await here.clock.advance(120_000);
    expect(await letters()).toEqual([`dlq.projector.refused.${key}`]);
    expect(await metrics.text()).toContain('troupe_projection_refused_total{reason="garbage"} 1');
    expect(await driven(here.clock, lag())).toMatchObject({ pending: 0 });
  });

  test('such as values that are nested too deep to be written again, keeps nothing else out', async () => {
    await driven(here.clock, here.garbage('summarise.deep', nestedRecord));
    await put(done('one'));
    const { metrics, lag } = await start();
    await here.clock.advance(1_000);
    expect(await stored('one')).toBeDefined();
    expect(await letters()).toEqual(['dlq.projector.refused.summarise.deep']);
    expect(await metrics.text()).toContain('troupe_projection_refused_total{reason="refused"} 1');
    expect(await driven(here.clock, lag())).toMatchObject({ pending: 0 });
  });

  test('is dead-lettered although it is larger than a message may be', async () => {
    await driven(here.clock, here.garbage('x', '\u0001'.repeat(900_000)));
    await start();
    await here.clock.advance(1_000);
    expect(await letters()).toEqual(['dlq.projector.refused.x']);
  });

  test('is projected as soon as it is written right', async () => {
    await put(done('one', { text: '\0' }));
    await start();
    await here.clock.advance(1_000);
    await put(done('one'));
    await here.clock.advance(1_000);
    expect(await stored('one')).toMatchObject({ status: 'completed' });
  });

  test('has a dead letter for each of its revisions', async () => {
    await start();
    for (const round of [1, 2]) {
      await put(done('one', { text: `\0${round}` }));
      await here.clock.advance(1_000);
    }
    const found = await driven(here.clock, here.queue.subjects(streams.dlq, subjects.dlqs));
    expect([...found.values()]).toEqual([2]);
  });

  test.each(['succeed_and_time_out', 'lose_and_time_out', 'refuse'] as const)(
    'is dead-lettered once, although the broker says “%s” to the letter',
    async (fault) => {
      await put(done('poison', { text: '\0' }), done('one'));
      here.broker.next('publish', fault, { subject: subjects.dlqs, times: 2 });
      await start();
      await here.clock.advance(60_000);
      const found = await driven(here.clock, here.queue.subjects(streams.dlq, subjects.dlqs));
      expect([...found]).toEqual([['dlq.projector.refused.summarise.poison', 1]]);
      expect(await stored('one')).toBeDefined();
    },
  );
});

test('what `nats kv del` leaves behind is passed over, and history keeps the row', async () => {
  const { lag } = await start();
  await put(done('one'));
  await here.clock.advance(500);
  const deletion = { headers: { 'KV-Operation': 'DEL' } };
  await driven(here.clock, here.queue.publish('$KV.tasks.summarise.one', new Uint8Array(0), deletion));
  await here.clock.advance(500);
  expect(await stored('one')).toBeDefined();
  expect(await letters()).toEqual([]);
  expect(await driven(here.clock, lag())).toMatchObject({ pending: 0 });
});

test('values in blobs are written into the row, and a blob that is gone does not stop it', async () => {
  await driven(here.clock, here.blobs.put('kept', new TextEncoder().encode('{"long":"text"}')));
  const { result: _inline, ...rest } = done('one');
  await put({ ...rest, resultRef: 'kept' }, { ...rest, id: 'two', resultRef: 'lost' });
  await start();
  await here.clock.advance(1_000);
  expect(await stored('one')).toMatchObject({ result: '{"long":"text"}' });
  expect(await stored('two')).toMatchObject({ status: 'completed', result: undefined });
});

test.each([RefusedError, UnavailableError, TimeoutError])(
  'a value that cannot be read now holds up its record and ends nothing: %o',
  async (Failure) => {
    let failures = 3;
    const get = async (name: string): Promise<Uint8Array | undefined> => {
      if (failures-- > 0) throw new Failure('not now');
      return here.blobs.get(name);
    };
    await driven(here.clock, here.blobs.put('kept', new TextEncoder().encode('{"long":"text"}')));
    const { result: _inline, ...rest } = done('one');
    await put({ ...rest, resultRef: 'kept' });
    await running({ ...here.parts, blobs: { ...here.blobs, get } });
    await here.clock.advance(60_000);
    expect(await stored('one')).toMatchObject({ status: 'completed', result: '{"long":"text"}' });
    const { redelivered } = await driven(
      here.clock,
      here.queue.consumerInfo(streams.bucket(buckets.tasks), 'projector'),
    );
    expect(redelivered).toBe(0);
  },
);

test('a value is read once, however many revisions name it', async () => {
  const reads: string[] = [];
  const get = (name: string): Promise<Uint8Array | undefined> => {
    reads.push(name);
    return here.blobs.get(name);
  };
  await driven(here.clock, here.blobs.put('kept', new TextEncoder().encode('"long"')));
  await running({ ...here.parts, blobs: { ...here.blobs, get } });
  const step = { name: 'a', ref: 'kept', at: '2026-01-01T10:00:00.000Z', ms: 1 };
  for (const attempt of [1, 2, 3]) {
    const revision = await put(record('one', { attempt, steps: [step] }));
    await here.clock.advance(1_000);
    expect(await stored('one')).toMatchObject({ revision, steps: [{ result: '"long"' }] });
  }
  expect(reads).toEqual(['kept']);
});

describe('while the store is away', () => {
  const away = async (store: MemoryStore, ms: number): Promise<void> => {
    store.setAvailable(false);
    await here.clock.advance(ms);
    store.setAvailable(true);
  };

  test('nothing is redelivered, however long that takes, and it comes back by itself', async () => {
    const { metrics, lag } = await start();
    here.store.setAvailable(false);
    await put(done('one'));
    await away(here.store, 600_000);
    const info = await driven(here.clock, here.queue.consumerInfo(streams.bucket(buckets.tasks), 'projector'));
    expect(info).toMatchObject({ ackPending: 1, redelivered: 0 });
    await here.clock.advance(5_000);
    expect(await stored('one')).toMatchObject({ status: 'completed' });
    expect(await metric(metrics, 'projected_total')).toBe(1);
    expect(await driven(here.clock, lag())).toEqual({ pending: 0, behindMs: 0 });
  });

  test('it tells how old the oldest record is that is not in the store', async () => {
    const { lag } = await start();
    here.store.setAvailable(false);
    await put(done('one'));
    await here.clock.advance(60_000);
    await put(done('two'));
    await here.clock.advance(60_000);
    const told = await driven(here.clock, lag());
    expect(told.pending).toBe(2);
    expect(told.behindMs).toBeGreaterThanOrEqual(120_000);
    expect(told.behindMs).toBeLessThan(121_000);
    here.store.setAvailable(true);
    await here.clock.advance(10_000);
    expect(await driven(here.clock, lag())).toEqual({ pending: 0, behindMs: 0 });
  });

  test('it starts all the same', async () => {
    here.store.setAvailable(false);
    await put(done('one'));
    await start();
    await away(here.store, 60_000);
    await here.clock.advance(5_000);
    expect(await stored('one')).toMatchObject({ status: 'completed' });
  });

  test('it stops at once, and gives back what it holds to the next', async () => {
    const first = await start();
    await put(done('one'));
    await here.clock.advance(500);
    here.store.setAvailable(false);
    await put(done('two'));
    await here.clock.advance(60_000);
    await driven(here.clock, first.stop());
    here.store.setAvailable(true);
    await start();
    await here.clock.advance(1_000);
    expect(await stored('two')).toMatchObject({ status: 'completed' });
  });
});

test('a bucket that was made anew is noticed, although its revisions are lower', async () => {
  await start();
  await put(record('other'), record('one', { attempt: 1 }));
  await here.clock.advance(500);
  const before = await stored('one');
  const mark = await here.store.mark('KV_tasks');
  // As a restore from before leaves it: the same name, and less of it than was projected.
  await here.store.project([], mark && { ...mark, revision: 1_000 });
  here.broker.restart();
  await here.clock.advance(5_000);
  await put(done('one'));
  await here.clock.advance(5_000);
  const after = await stored('one');
  expect(after).toMatchObject({ status: 'completed', incarnation: `${before?.incarnation}~0001` });
});

describe('dead letters', () => {
  const publish = (subject: string, body: string) =>
    driven(here.clock, here.queue.publish(subject, new TextEncoder().encode(body)));

  test('become rows, whatever they are made of', async () => {
    await start();
    await publish('dlq.default.exhausted.summarise.one', '{"error":{"code":"unknown","message":"no"}}');
    await publish('dlq.default.invalid_json.summarise.one', 'no\0json');
    await here.clock.advance(1_000);
    expect(await here.store.deadLetters(type, 'one')).toMatchObject([
      { reason: 'exhausted', pool: 'default', error: '{"code":"unknown","message":"no"}', revision: 1 },
      { reason: 'invalid_json', body: 'no\uFFFDjson', error: undefined, revision: 2 },
    ]);
  });

  test('become rows without their error, where that is nested too deep to be written again', async () => {
    await start();
    const body = `{"error":${nested}}`;
    await publish('dlq.default.exhausted.summarise.deep', body);
    await publish('dlq.default.exhausted.summarise.one', '{}');
    await here.clock.advance(1_000);
    expect(await here.store.deadLetters(type, 'deep')).toMatchObject([{ reason: 'exhausted', error: undefined, body }]);
    expect(await here.store.deadLetters(type, 'one')).toHaveLength(1);
  });

  test('of the projector itself become rows as well', async () => {
    await start();
    await put(done('poison', '\0'));
    await here.clock.advance(1_000);
    const [letter] = await here.store.deadLetters(type, 'poison');
    expect(letter).toMatchObject({ reason: 'refused', pool: 'projector' });
  });
});

describe('under lost acks, repeated deliveries, lost and late answers and cut connections', () => {
  test.each([1, 2, 3, 4, 5])('history ends equal to the bucket, and no row goes back (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    const clock = virtualClock();
    const broker = memoryBroker({ clock, random });
    const writer = broker.connect();
    await driven(clock, provision(writer.queue));
    const store = memoryStore();
    const seen = new Map<string, number>();
    const watched: MemoryStore = {
      ...store,
      project: async (rows, mark) => {
        if (random.next() < 0.1) store.setAvailable(random.next() < 0.5);
        await store.project(rows, mark);
        for (const { id } of rows) {
          const now = (await store.task(type, id))?.revision ?? 0;
          expect(now).toBeGreaterThanOrEqual(seen.get(id) ?? 0);
          seen.set(id, now);
        }
      },
    };
    const connections = [broker.connect(), broker.connect()];
    const begin = () =>
      Promise.all(
        connections.map(({ queue, blobs }) => running({ queue, blobs, store: watched, clock }, { batch: 8, random })),
      );
    let projectors = await begin();
    broker.setRates({ lostAck: 0.1, duplicateDelivery: 0.1, lostRead: 0.05, lostMessage: 0.05, cut: 0.002 });
    const records = bucket(writer.queue, buckets.tasks);
    const { put: write } = writing(writer.queue);
    for (let round = 0; round < 60; round += 1) {
      const id = `task-${Math.floor(random.next() * 12)}`;
      void write(record(id, { attempt: round })).catch(() => undefined); // Cut: it may be there or not.
      await clock.advance(random.next() * 400);
      if (random.next() < 0.1) {
        await driven(clock, Promise.all(projectors.map(({ stop }) => stop())));
        projectors = await begin();
      }
      store.setAvailable(true);
    }
    broker.setRates({});
    await clock.advance(120_000);
    store.setAvailable(true);
    await clock.advance(10_000);
    const keys = await driven(clock, records.keys());
    const entries = await driven(clock, records.getMany(keys));
    expect(keys.length).toBeGreaterThan(5);
    for (const [key, entry] of entries) {
      expect(await store.task(type, key.slice(type.length + 1))).toMatchObject({ revision: entry.revision });
    }
  });
});
