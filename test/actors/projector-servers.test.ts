/** The projector between a real nats-server and a real Postgres. */
import pg from 'pg';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { keeper } from '../../src/actors/keeper.ts';
import { projectorConsumers } from '../../src/actors/projector.ts';
import type { NatsConnection } from '../../src/bus/nats/connection.ts';
import { connectNats } from '../../src/bus/nats/connection.ts';
import { buckets, consumers, streams, subjects, taskKey } from '../../src/bus/subjects.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import { bucket } from '../../src/kv/bucket.ts';
import { postgresStore } from '../../src/store/postgres.ts';
import type { Server } from '../../src/dev/server.ts';
import type { Store } from '../../src/store/store.ts';
import { madeAnew } from '../setup/made-anew.ts';
import { freshDatabase, freshNats, freshPostgres } from '../setup/servers.ts';
import { done, expectEqual, metric, type Parts, provision, record, running, type, writing } from './projector-world.ts';

const bucketStream = streams.bucket('tasks');
const ackWaitMs = 1_000;
const long = { timeout: 15_000 };

let server: Server;
const connect = async (): Promise<NatsConnection> => {
  const options = { servers: server.url, name: 'projector', clock: systemClock, random: systemRandom, log: silentLog };
  const link = await connectNats(options);
  onTestFinished(() => link.bus.close());
  return link;
};

/** Fails the test if any row ever goes back. */
const guarded = async (url: string): Promise<void> => {
  const client = new pg.Client(url);
  await client.connect();
  await client.query(`
    create table went_back (type text, id text);
    create function watch() returns trigger language plpgsql as $$ begin
      if (new.incarnation, new.revision) <= (old.incarnation, old.revision) then
        insert into went_back values (new.type, new.id);
      end if;
      return new;
    end $$;
    create trigger watch after update on tasks for each row execute function watch()`);
  await client.end();
};

const wentBack = async (url: string): Promise<number> => {
  const client = new pg.Client(url);
  await client.connect();
  const { rowCount } = await client.query('select from went_back');
  await client.end();
  return rowCount ?? 0;
};

const open = async (url: string): Promise<Store> => {
  const store = postgresStore({ url, log: silentLog });
  onTestFinished(() => store.close());
  await store.migrate();
  await guarded(url);
  return store;
};

let link: NatsConnection;
beforeEach(async () => {
  server = await freshNats();
  link = await connect();
  await provision(link.queue);
});

const partsOn = async (url: string): Promise<Parts> => {
  const { queue, blobs } = await connect();
  return { queue, blobs, store: await open(url), clock: systemClock };
};

const start = async (parts: Parts) => {
  const started = await running(parts);
  onTestFinished(started.stop);
  return started;
};

const ids = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `task-${index}`);

/** All that was in the bucket when this began has been settled. How many are pending does not tell: a server counts late. */
const caughtUp = async ({ lag }: Awaited<ReturnType<typeof start>>, timeout = 15_000): Promise<void> => {
  const { lastSeq } = await link.queue.streamInfo(bucketStream);
  const floor = async () => (await link.queue.consumerInfo(bucketStream, consumers.projector)).ackFloor;
  await expect.poll(floor, { timeout, interval: 20 }).toBeGreaterThanOrEqual(lastSeq);
  expect((await lag()).pending).toBe(0);
};

test('one poisonous record among hundreds is dead-lettered, all others become rows', async () => {
  const parts = await partsOn(await freshDatabase());
  const { put, garbage } = writing(link.queue);
  const good = ids(400);
  await put(
    ...good.slice(0, 200).map((id) => done(id)),
    done('poison', { deep: ['\0'] }),
    ...good.slice(200).map((id) => done(id)),
  );
  await garbage('x', 'garbage');
  const started = await start(parts);
  await caughtUp(started);
  await expectEqual(link.queue, parts.store, good);
  expect(await metric(started.metrics, 'projected_total')).toBe(400);
  const subjectsOfLetters = [...(await link.queue.subjects(streams.dlq, subjects.dlqs)).keys()].toSorted();
  expect(subjectsOfLetters).toEqual(['dlq.projector.refused.summarise.poison', 'dlq.projector.refused.x']);
  await expect
    .poll(() => parts.store.deadLetters(type, 'poison'), long)
    .toMatchObject([{ reason: 'refused', error: expect.stringContaining('22P05') }]);
});

test('Postgres killed in the middle of a stream of updates is equal again when it is back', async () => {
  const postgres = await freshPostgres();
  const parts = await partsOn(postgres.url);
  const started = await start(parts);
  const { put } = writing(link.queue);
  const names = ids(300);
  await put(...names.map((id) => record(id)));
  await postgres.kill();
  await put(...names.map((id) => record(id, { attempt: 1 })));
  for (let round = 0; round < 5; round += 1)
    await put(...names.slice(round * 50).map((id) => record(id, { attempt: 2 })));
  await expect.poll(async () => (await started.lag()).behindMs, long).toBeGreaterThan(2_000);
  await put(...names.map((id) => done(id)));
  await postgres.restart();
  await caughtUp(started, 5_000);
  await expectEqual(link.queue, parts.store, names);
  expect(await wentBack(postgres.url)).toBe(0);
  expect((await started.lag()).behindMs).toBe(0);
});

test('a Postgres that does not answer holds up the projection alone, which goes on where it stopped', async () => {
  const url = await freshDatabase();
  const parts = await partsOn(url);
  const started = await start(parts);
  const { put } = writing(link.queue);
  await put(record('one'));
  await caughtUp(started);
  const holder = new pg.Client(url);
  await holder.connect();
  await holder.query('begin; lock table tasks');
  const revision = await put(done('one'));
  await expect.poll(started.lag, long).toMatchObject({ pending: 1 });
  await expect.poll(async () => (await started.lag()).behindMs, long).toBeGreaterThan(500);
  expect(await link.queue.last(bucketStream, '$KV.tasks.summarise.one')).toMatchObject({ seq: revision });
  await holder.end();
  await caughtUp(started);
  await expectEqual(link.queue, parts.store, ['one']);
});

test('projectors that are stopped and started in the middle of a batch lose nothing and go back nowhere', async () => {
  const url = await freshDatabase();
  const parts = await partsOn(url);
  const { put } = writing(link.queue);
  const names = ids(500);
  for (let attempt = 1; attempt <= 6; attempt += 1) {
    const writes = put(...names.map((id) => record(id, { attempt })));
    const { stop, metrics } = await running(parts);
    await expect.poll(() => metric(metrics, 'projected_total'), { ...long, interval: 1 }).toBeGreaterThan(0);
    await stop();
    await writes;
  }
  await caughtUp(await start(parts));
  await expectEqual(link.queue, parts.store, names);
  expect(await wentBack(url)).toBe(0);
});

test('what a node that died had in hand is projected by another, which has acked later records meanwhile', async () => {
  const [spec] = projectorConsumers(ackWaitMs);
  if (!spec) throw new Error('no consumer');
  await link.queue.ensureConsumer(spec);
  const parts = await partsOn(await freshDatabase());
  const { put } = writing(link.queue);
  const early = ids(200);
  await put(...early.map((id) => done(id)));
  // Has them delivered, and is never heard of again.
  const dying = await connect();
  const inHand = new Promise<void>((resolve) => {
    let left = early.length;
    const consumer = dying.queue.consume(spec.stream, spec.name, {
      deliver: () => {
        left -= 1;
        if (left === 0) resolve();
      },
      ended: () => undefined,
    });
    consumer.pull({ batch: early.length, waitMs: 5_000 });
  });
  await inHand;
  await put(done('later'));
  const started = await start(parts);
  await expect.poll(() => parts.store.task(type, 'later'), long).toBeDefined();
  await caughtUp(started);
  await expectEqual(link.queue, parts.store, [...early, 'later']);
});

test('two projectors share the work', async () => {
  const url = await freshDatabase();
  const parts = await partsOn(url);
  const both = [await start(parts), await start({ ...parts, ...(await connect()) })] as const;
  const { put } = writing(link.queue);
  const names = ids(1_000);
  for (const attempt of [1, 2, 3]) await put(...names.map((id) => record(id, { attempt })));
  await caughtUp(both[0]);
  await expectEqual(link.queue, parts.store, names);
  expect(await wentBack(url)).toBe(0);
});

test('a bucket that is made anew under a running projector wins over the rows of the old one', async () => {
  const parts = await partsOn(await freshDatabase());
  const started = await start(parts);
  const { put } = writing(link.queue);
  const names = ids(50);
  await put(...names.map((id) => record(id)));
  await put(...names.map((id) => done(id, 'old')));
  await caughtUp(started);
  const old = await parts.store.task(type, 'task-0');
  await madeAnew(link, bucketStream, () => provision(link.queue));
  await put(...names.map((id) => done(id, 'new')));
  await expect.poll(async () => (await parts.store.task(type, 'task-49'))?.result, long).toBe('"new"');
  await caughtUp(started);
  const anew = await parts.store.task(type, 'task-0');
  expect(anew?.result).toBe('"new"');
  expect(anew?.revision).toBeLessThan(old?.revision ?? 0);
  await put(...names.map((id) => done(id, 'newer')));
  await caughtUp(started);
  await expectEqual(link.queue, parts.store, names);
});

test('what is being written while its bucket is made anew settles nothing of the new one', async () => {
  const parts = await partsOn(await freshDatabase());
  const [writes, goesOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const project: Store['project'] = async (...batch) => {
    writes.resolve();
    await goesOn.promise;
    return parts.store.project(...batch);
  };
  const started = await start({ ...parts, store: { ...parts.store, project } });
  const { put } = writing(link.queue);
  const names = ids(50);
  await put(...names.map((id) => done(id, 'old')));
  await writes.promise;
  await madeAnew(link, bucketStream, () => provision(link.queue));
  await put(...names.map((id) => done(id, 'new')));
  const handedOut = async () => (await link.queue.consumerInfo(bucketStream, consumers.projector)).ackPending;
  await expect.poll(handedOut, long).toBe(names.length);
  goesOn.resolve();
  await caughtUp(started);
  expect(await parts.store.task(type, 'task-0')).toMatchObject({ revision: 1, result: '"new"' });
  await expectEqual(link.queue, parts.store, names);
});

test('a bucket that was made anew while no projector ran wins as well', async () => {
  const parts = await partsOn(await freshDatabase());
  const { put } = writing(link.queue);
  const first = await running(parts);
  await put(record('one'), record('two'), done('one', 'old'));
  await caughtUp(first);
  await first.stop();
  await madeAnew(link, bucketStream, () => provision(link.queue));
  await put(done('one', 'new'));
  await caughtUp(await start(parts));
  expect(await parts.store.task(type, 'one')).toMatchObject({ revision: 1, result: '"new"' });
});

test('records that nobody projects are kept for longer than they were to live', async () => {
  const names = ids(600);
  await writing(link.queue, 600_000).put(...names.map((id) => done(id)));
  const life = new AbortController();
  onTestFinished(() => life.abort());
  const { start: keep } = keeper({
    metrics: createMetrics(),
    queue: link.queue,
    clock: systemClock,
    log: silentLog,
    recordLifeMs: 2_000,
  });
  await keep(life.signal);
  const keys = names.map((id) => taskKey(type, id));
  const lives = async () => {
    const entries = await bucket(link.queue, buckets.tasks).getMany(keys);
    return new Set([...entries.values()].map(({ ttlMs }) => ttlMs));
  };
  await expect.poll(lives, long).toEqual(new Set([7 * 86_400_000]));
});

test('20,000 records are projected at a rate that is printed', async () => {
  const parts = await partsOn(await freshDatabase());
  const { put } = writing(link.queue);
  const names = ids(20_000);
  for (let from = 0; from < names.length; from += 1_000) {
    await put(
      ...names.slice(from, from + 1_000).map((id) => done(id, { text: 'as long as an answer often is '.repeat(7) })),
    );
  }
  const begun = performance.now();
  const started = await start(parts);
  await expect.poll(() => metric(started.metrics, 'projected_total'), { ...long, interval: 20 }).toBe(20_000);
  const seconds = (performance.now() - begun) / 1_000;
  console.log(`projected 20,000 records in ${seconds.toFixed(2)} s: ${Math.round(20_000 / seconds)}/s`);
  await expectEqual(link.queue, parts.store, [names[0] ?? '', names[9_999] ?? '', names[19_999] ?? '']);
  await caughtUp(started);
});
