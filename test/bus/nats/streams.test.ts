import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { bucket } from '../../../src/kv/bucket.ts';
import { all, bytes, latest, log, sched, text, work } from '../../contract/world.ts';
import { freshNats } from '../../setup/servers.ts';
import { connectTo, serverApi } from './link.ts';

const open = async () => {
  const server = await freshNats();
  const link = await connectTo(server.url);
  const config = async (name: string) => (await serverApi(link, `STREAM.INFO.${name}`)).config;
  return { server, link, config, ...link };
};

test('every stream has its limits said, and none that could drop an accepted task', async () => {
  const { queue, config } = await open();
  for (const spec of [work, sched, latest, log]) await queue.ensureStream(spec);
  const always = { max_consumers: 10_000, max_msgs: -1, max_bytes: -1, max_age: 0, duplicate_window: 100_000_000 };
  expect(await config('WORK')).toMatchObject({ ...always, retention: 'workqueue', discard: 'new' });
  expect(await config('SCHED')).toMatchObject({ ...always, retention: 'workqueue', allow_msg_schedules: true });
  expect(await config('LATEST')).toMatchObject({ ...always, retention: 'limits', discard: 'new' });
  expect(await config('LOG')).toMatchObject({ ...always, retention: 'limits', discard: 'old' });
});

test('a time zone that the server does not know is refused with what it lacks', async () => {
  const { queue } = await open();
  await queue.ensureStream(sched);
  const schedule = { when: { cron: '* * * * * *', timezone: 'No/Where' }, target: 'due.a' } as const;
  const refused = queue.publish('sched.a', bytes('x'), { schedule });
  await expect(refused).rejects.toMatchObject({ code: 'refused', message: expect.stringContaining('install tzdata') });
});

test('an incarnation tells the order in which streams of one name were made', async () => {
  const { link, queue } = await open();
  const made: string[] = [];
  for (let n = 0; n < 3; n += 1) {
    made.push((await queue.ensureStream(work)).incarnation);
    await serverApi(link, 'STREAM.DELETE.WORK');
  }
  expect([...made].sort()).toEqual(made);
  expect(new Set(made).size).toBe(3);
});

test('a stream with as many readers as it may have is overloaded to the next, and to nobody once it may have more', async () => {
  const { link, queue } = await open();
  await serverApi(link, 'STREAM.CREATE.LOG', { name: 'LOG', subjects: ['log.>'], max_consumers: 1 });
  const read = () => queue.tail('LOG', { filter: 'log.>', from: 'all', deliver: () => {} });
  await read();
  await expect(read()).rejects.toMatchObject({ code: 'overloaded', retryAfterMs: 30_000 });
  await queue.ensureStream(log);
  await expect(read()).resolves.toBeDefined();
});

test('a stream of somebody else is brought to the spec and keeps its messages and its identity', async () => {
  const { link, queue, config } = await open();
  await serverApi(link, 'STREAM.CREATE.LOG', { name: 'LOG', subjects: ['log.>'], metadata: { team: 'x' } });
  await queue.publish('log.a', bytes('x'));
  const { incarnation } = await queue.streamInfo('LOG');
  expect(await queue.ensureStream({ ...log, maxAgeMs: 60_000 })).toMatchObject({ incarnation, messages: 1 });
  expect(await config('LOG')).toMatchObject({ max_age: 60e9, metadata: { team: 'x' } });
  expect((await queue.ensureStream(log)).incarnation).toBe(incarnation);
});

test('a refused change names the stream, the field and both values', async () => {
  const { queue } = await open();
  await queue.ensureStream(work);
  const change = queue.ensureStream({ ...work, keep: 'last' });
  await expect(change).rejects.toThrow(/stream WORK cannot be changed .*retention workqueue → limits/);
});

test('a stream that is as it should be is not written again', async () => {
  const { link, queue, bus } = await open();
  const actions: string[] = [];
  bus.subscribe('$JS.EVENT.ADVISORY.STREAM.*.>', ({ subject }) => actions.push(subject));
  await queue.ensureStream(work);
  await queue.ensureStream(work);
  await queue.ensureStream({ ...work, maxBytes: 1_000_000 });
  await serverApi(link, 'INFO');
  await expect.poll(() => actions.length).toBe(2);
  expect(actions.map((subject) => subject.split('.')[4])).toEqual(['CREATED', 'UPDATED']);
});

test('a consumer gives no delivery up, and a consumer of another kind is not put in its place', async () => {
  const { link, queue } = await open();
  await queue.ensureStream(log);
  await queue.ensureConsumer({ ...all, stream: 'LOG', filter: 'log.>' });
  const { config } = await serverApi(link, 'CONSUMER.INFO.LOG.all');
  expect(config).toMatchObject({ max_deliver: -1, ack_policy: 'explicit', deliver_policy: 'all' });
  const other = queue.ensureConsumer({ ...all, stream: 'LOG', filter: 'log.>', ack: 'through' });
  await expect(other).rejects.toThrow(/consumer all of stream LOG cannot be changed .*ack_policy explicit → all/);
});

test('a bucket is one to every other client: they read ours, we read theirs', async () => {
  const { server, queue } = await open();
  await queue.ensureStream({ name: 'KV_b', subjects: ['$KV.b.>'], keep: 'last' });
  const other = await connect({ servers: server.url });
  onTestFinished(() => other.close());
  const theirs = await new Kvm(other).open('b');
  const ours = bucket(queue, 'b');

  const revision = await ours.update('t.1', bytes('ours'), 0);
  expect(await theirs.get('t.1')).toMatchObject({ revision, operation: 'PUT' });
  const next = await theirs.update('t.1', 'theirs', revision);
  expect(text((await ours.get('t.1'))?.value)).toBe('theirs');
  await expect(ours.update('t.1', bytes('x'), revision)).rejects.toMatchObject({ code: 'conflict', revision: next });

  await theirs.delete('t.1');
  expect(await ours.get('t.1')).toBeUndefined();
  await ours.update('t.1', bytes('again'), 0);
  expect((await theirs.get('t.1'))?.string()).toBe('again');
  await theirs.purge('t.1');
  expect(await ours.keys()).toEqual([]);
  await theirs.create('t.2', 'x');
  await ours.remove('t.2');
  expect(await theirs.get('t.2')).toBeNull();
  expect((await theirs.status()).history).toBe(1);
});

test('after an entry is gone by its time to live, its key can be created at 0', async () => {
  const { queue } = await open();
  await queue.ensureStream({ name: 'KV_b', subjects: ['$KV.b.>'], keep: 'last' });
  const kv = bucket(queue, 'b');
  await kv.update('a', bytes('1'), 0, { ttlMs: 1_000 });
  await expect.poll(async () => (await queue.streamInfo('KV_b')).messages, { timeout: 5_000 }).toBe(0);
  await queue.publish('$KV.b.a', bytes('2'), { expectSeq: 0 });
});
