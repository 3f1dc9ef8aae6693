import { getEventListeners } from 'node:events';
import { beforeEach, describe, expect, test } from 'vitest';
import { memoryBroker, type MemoryBroker } from '../../src/bus/memory/broker.ts';
import { subjects } from '../../src/bus/subjects.ts';
import { NotFoundError, UnavailableError } from '../../src/kernel/errors.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { type VirtualClock, virtualClock } from '../../src/kernel/virtual-clock.ts';
import { bucket } from '../../src/kv/bucket.ts';
import type { Bucket } from '../../src/kv/kv.ts';
import { ends, type Ends, type WaitOptions } from '../../src/task/ends.ts';
import { encodeRecord, type TaskRecord } from '../../src/task/record.ts';
import { completed, firstRecord } from '../../src/task/transitions.ts';
import type { TaskStatus } from '../../src/task/status.ts';

const recordOf = (id: string): TaskRecord =>
  firstRecord({
    type: 't',
    id,
    route: { pool: 'default', lane: 'normal', partition: '0' },
    inputHash: 'h',
    submittedAt: 0,
  });
const endOf = (id: string, result: TaskRecord['result']): TaskRecord => completed(recordOf(id), result, 1_000);

let clock: VirtualClock;
let broker: MemoryBroker;
let records: Bucket;
let announce: (record: TaskRecord) => void;
let waits: Ends;
/** What `find` was asked, and what it answers. */
let asked: string[];
let find: (recordKey: string) => Promise<TaskStatus | undefined>;

const fresh: WaitOptions = { fresh: true };
const old: WaitOptions = { fresh: false };

beforeEach(async () => {
  clock = virtualClock();
  broker = memoryBroker({ clock, random: seededRandom(1) });
  const { bus, queue, blobs } = broker.connect();
  records = bucket(queue, 'tasks');
  const made = queue.ensureStream({ name: 'KV_tasks', subjects: ['$KV.tasks.>'], keep: 'last' });
  await clock.settle();
  await made;
  const worker = broker.connect();
  announce = (record) => worker.bus.publish(subjects.results(`t.${record.id}`), encodeRecord(record));
  asked = [];
  find = async () => undefined;
  waits = ends({
    ports: { bus, records, blobs, clock, log },
    find: (recordKey) => {
      asked.push(recordKey);
      return find(recordKey);
    },
  });
});

const write = async (record: TaskRecord): Promise<void> => {
  const written = records.put(`t.${record.id}`, encodeRecord(record));
  await clock.settle();
  await written;
};
const status = (fields: Partial<TaskStatus>): TaskStatus => ({
  id: 'a',
  type: 't',
  status: 'queued',
  attempt: 0,
  pool: 'default',
  lane: 'normal',
  usage: { inputTokens: 0, outputTokens: 0, usd: 0 },
  inputHash: 'h',
  ...fields,
});
/** Whether it has settled, and how. */
const watched = (promise: Promise<unknown>) => {
  const seen: { state: 'pending' | 'resolved' | 'rejected'; value?: unknown } = { state: 'pending' };
  promise.then(
    (value) => Object.assign(seen, { state: 'resolved', value }),
    (error: unknown) => Object.assign(seen, { state: 'rejected', value: error }),
  );
  return seen;
};

describe('waiting for the end of a task', () => {
  test('ends with what is announced, without any time passing', async () => {
    const waited = watched(waits.of('t.a', fresh));
    await clock.settle();
    announce(endOf('a', { ok: true }));
    await clock.settle();
    expect(waited).toMatchObject({ state: 'resolved', value: { status: 'completed', output: { ok: true } } });
    expect(asked).toEqual([]);
  });

  test('ends with the record of a task that had ended before', async () => {
    await write(endOf('a', 1));
    const waited = watched(waits.of('t.a', old));
    await clock.settle();
    expect(waited).toMatchObject({ state: 'resolved', value: { output: 1 } });
  });

  test('ends with the record where the announcement was lost', async () => {
    const waited = watched(waits.of('t.a', fresh));
    await clock.settle();
    await write(endOf('a', 1));
    expect(waited.state).toBe('pending');
    await clock.advance(7_000);
    expect(waited).toMatchObject({ state: 'resolved', value: { output: 1 } });
  });

  test('reads a result that was announced as null, which may be too large to be announced', async () => {
    const waited = watched(waits.of('t.a', fresh));
    await clock.settle();
    await write(endOf('a', 'all of it'));
    announce(endOf('a', null));
    await clock.settle();
    expect(waited).toMatchObject({ state: 'resolved', value: { output: 'all of it' } });
  });

  test('believes no announcement that is none', async () => {
    const waited = watched(waits.of('t.a', fresh));
    await clock.settle();
    announce(recordOf('a'));
    broker.connect().bus.publish(subjects.results('t.a'), new TextEncoder().encode('{"status":"completed"}'));
    await clock.settle();
    expect(waited.state).toBe('pending');
  });

  test('asks where a task is that has no record, at once if it was not accepted just now', async () => {
    find = async () => status({ status: 'completed', output: 'from history' });
    const waited = watched(waits.of('t.a', old));
    await clock.settle();
    expect(waited).toMatchObject({ state: 'resolved', value: { output: 'from history' } });
    expect(asked).toEqual(['t.a']);
  });

  test('ends with nothing where nobody knows the task', async () => {
    const waited = watched(waits.of('t.a', old));
    await clock.settle();
    expect(waited).toEqual({ state: 'resolved', value: undefined });
  });

  test('waits on for a task that is queued, and asks again only when its record could have come and gone', async () => {
    find = async () => status({ status: 'queued' });
    const waited = watched(waits.of('t.a', old));
    await clock.advance(60_000);
    expect(waited.state).toBe('pending');
    expect(asked).toHaveLength(1);
    find = async () => status({ status: 'dead', error: { code: 'x', message: 'x' } });
    await clock.advance(300_000);
    expect(waited).toMatchObject({ state: 'resolved', value: { status: 'dead' } });
  });

  test('waits on while nobody answers', async () => {
    find = async () => {
      throw new UnavailableError('nobody is there');
    };
    const waited = watched(waits.of('t.a', old));
    await clock.advance(20_000);
    expect(waited.state).toBe('pending');
    expect(asked.length).toBeGreaterThan(1);
    find = async () => status({ status: 'completed', output: 1 });
    await clock.advance(10_000);
    expect(waited).toMatchObject({ state: 'resolved', value: { output: 1 } });
  });

  test('of thousands reads together what one by one would be thousands of reads', async () => {
    const all = Array.from({ length: 3_000 }, (_, index) => watched(waits.of(`t.${index}`, fresh)));
    await clock.settle();
    const written = Promise.all(
      all.map((_, index) => records.put(`t.${index}`, encodeRecord(endOf(String(index), index)))),
    );
    await clock.settle();
    await written;
    const before = broker.activity;
    await clock.advance(12_000);
    expect(all.every(({ state }) => state === 'resolved')).toBe(true);
    expect(all.map(({ value }) => (value as TaskStatus).output)).toEqual(all.map((_, index) => index));
    expect(broker.activity - before).toBeLessThan(all.length * 3);
  });

  test('of hundreds over a slow link has one read on its way, and ends with that of its own part', async () => {
    const { bus, blobs } = broker.connect();
    const reads: number[] = [];
    let underWay = 0;
    const slow: Bucket = {
      ...records,
      getMany: async (keys) => {
        underWay += 1;
        reads.push(underWay);
        await clock.sleep(7_000);
        underWay -= 1;
        return records.getMany(keys);
      },
    };
    const waiting = ends({ ports: { bus, records: slow, blobs, clock, log }, find: (key) => find(key) });
    const ids = Array.from({ length: 1_000 }, (_, index) => String(index));
    const written = Promise.all(ids.map((id) => records.put(`t.${id}`, encodeRecord(endOf(id, id)))));
    await clock.settle();
    await written;
    const all = ids.map((id) => watched(waiting.of(`t.${id}`, fresh)));
    await clock.advance(7_100);
    expect(all.filter(({ state }) => state === 'resolved').length).toBe(256);
    await clock.advance(3 * 7_000);
    expect(all.every(({ state }) => state === 'resolved')).toBe(true);
    expect(reads).toEqual([1, 1, 1, 1]);
  });

  test('shares one wait among all who wait for the same task', async () => {
    const abort = new AbortController();
    const first = watched(waits.of('t.a', { ...fresh, signal: abort.signal }));
    const second = watched(waits.of('t.a', fresh));
    await clock.settle();
    abort.abort(new NotFoundError('enough'));
    await clock.settle();
    expect(first).toMatchObject({ state: 'rejected', value: { message: 'enough' } });
    announce(endOf('a', 1));
    await clock.settle();
    expect(second).toMatchObject({ state: 'resolved', value: { output: 1 } });
  });

  test('leaves nothing behind when nobody waits any more', async () => {
    const abort = new AbortController();
    const waited = watched(waits.of('t.a', { ...fresh, signal: abort.signal }));
    await clock.settle();
    const before = clock.pending;
    abort.abort();
    await clock.settle();
    expect(waited.state).toBe('rejected');
    expect(clock.pending).toBe(before - 1);
    const late = watched(waits.of('t.a', { ...fresh, signal: abort.signal }));
    await clock.settle();
    expect(late.state).toBe('rejected');
    expect(clock.pending).toBe(before - 1);
  });

  test('ends all waits when it is closed', async () => {
    const waited = watched(waits.of('t.a', fresh));
    waits.close();
    await clock.settle();
    expect(waited).toMatchObject({ state: 'rejected', value: { code: 'unavailable' } });
  });
});

test('a wait that cannot begin is rejected, and what happens to its signal afterwards is nobody’s concern', async () => {
  const { bus, blobs } = broker.connect();
  const subscribe = (): never => {
    throw new UnavailableError('the connection is closed');
  };
  const closed = ends({ ports: { bus: { ...bus, subscribe }, records, blobs, clock, log }, find });
  const life = new AbortController();
  await expect(closed.of('t.a', { fresh: true, signal: life.signal })).rejects.toBeInstanceOf(UnavailableError);
  expect(getEventListeners(life.signal, 'abort')).toEqual([]);
  life.abort();
});
