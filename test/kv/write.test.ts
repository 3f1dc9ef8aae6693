import { expect, test } from 'vitest';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { UnavailableError } from '../../src/kernel/errors.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { bucket } from '../../src/kv/bucket.ts';
import type { Entry } from '../../src/kv/kv.ts';
import { type Written, writeUntilKnown } from '../../src/kv/write.ts';
import { bytes, text } from '../contract/world.ts';

const setup = async (seed = 1) => {
  const clock = virtualClock();
  const random = seededRandom(seed);
  const broker = memoryBroker({ clock, random });
  const { queue } = broker.connect();
  await queue.ensureStream({ name: 'KV_b', subjects: ['$KV.b.>'], keep: 'last' });
  const kv = bucket(queue, 'b');
  const write = (nonce: string, expected: number, signal?: AbortSignal): Promise<Written> =>
    writeUntilKnown(kv, {
      key: 'a',
      value: bytes(nonce),
      expected,
      isMine: (entry: Entry) => text(entry.value) === nonce,
      clock,
      random,
      ...(signal && { signal }),
    });
  /** Lets time pass until the promise has settled. */
  const eventually = async <T>(promise: Promise<T>): Promise<T> => {
    let settled = false;
    const note = (): void => {
      settled = true;
    };
    promise.then(note, note);
    for (let n = 0; n < 1_000 && !settled; n += 1) await clock.advance(100);
    return promise;
  };
  return { clock, broker, queue, kv, write, eventually };
};

test('a write that is answered is written', async () => {
  const { write, eventually } = await setup();
  expect(await eventually(write('w1', 0))).toEqual({ type: 'written', revision: 1 });
});

test('a write that was stored but not answered is found to be the own one', async () => {
  const { broker, queue, write, eventually } = await setup();
  broker.next('publish', 'succeed_and_time_out', { subject: '$KV.b.a', times: 2 });
  expect(await eventually(write('w1', 0))).toEqual({ type: 'written', revision: 1 });
  expect((await queue.streamInfo('KV_b')).lastSeq).toBe(1);
});

test('a write that was lost on its way is sent again', async () => {
  const { broker, write, eventually } = await setup();
  broker.next('publish', 'lose_and_time_out', { subject: '$KV.b.a', times: 3 });
  broker.next('publish', 'refuse', { subject: '$KV.b.a' });
  expect(await eventually(write('w1', 0))).toEqual({ type: 'written', revision: 1 });
});

test('a write that nobody takes is sent again every three seconds at least, however long that is', async () => {
  const { clock, queue, eventually } = await setup();
  const sentAt: number[] = [];
  const refusing: typeof queue = {
    ...queue,
    publish: (...args) => {
      sentAt.push(clock.monotonic());
      return sentAt.length < 20 ? Promise.reject(new UnavailableError('away')) : queue.publish(...args);
    },
  };
  const key = { key: 'a', value: bytes('w1'), expected: 0, isMine: () => true };
  await eventually(writeUntilKnown(bucket(refusing, 'b'), { ...key, clock, random: seededRandom(1) }));
  const pauses = sentAt.slice(1).map((at, n) => at - (sentAt[n] ?? 0));
  expect(Math.max(...pauses)).toBeLessThanOrEqual(3_000);
});

test('a read that is not answered decides nothing: the write is sent again', async () => {
  const { broker, write, eventually } = await setup();
  broker.next('publish', 'succeed_and_time_out', { subject: '$KV.b.a' });
  broker.next('read', 'lose_and_time_out', { subject: '$KV.b.a', times: 2 });
  expect(await eventually(write('w1', 0))).toEqual({ type: 'written', revision: 1 });
});

test('a write over another’s is lost, and tells what is there', async () => {
  const { kv, write, eventually } = await setup();
  await kv.put('a', bytes('theirs'));
  const lost = await eventually(write('w1', 0));
  expect(lost).toMatchObject({ type: 'lost', current: { key: 'a', revision: 1 } });
});

test('a write that was unknown when another replaced it is lost', async () => {
  const { broker, kv, write, eventually } = await setup();
  broker.next('publish', 'succeed_and_time_out', { subject: '$KV.b.a' });
  const written = write('w1', 0);
  while (!(await kv.get('a'))) await new Promise(setImmediate);
  await kv.put('a', bytes('theirs'));
  expect(await eventually(written)).toMatchObject({ type: 'lost', current: { revision: 2 } });
});

test('a write over a key that is gone is lost to nobody', async () => {
  const { write, eventually } = await setup();
  expect(await eventually(write('w1', 7))).toEqual({ type: 'lost', current: undefined });
});

test('what is refused is thrown, not repeated', async () => {
  const { queue, write, eventually } = await setup();
  await queue.ensureStream({ name: 'KV_b', subjects: ['$KV.b.>'], keep: 'last', maxMsgBytes: 1 });
  await expect(eventually(write('too long', 0))).rejects.toMatchObject({ code: 'refused' });
});

test('an aborted write gives up with the signal’s reason', async () => {
  const { clock, broker, write } = await setup();
  broker.next('publish', 'lose_and_time_out', { subject: '$KV.b.a', times: 100 });
  const abort = new AbortController();
  const reason = new Error('enough');
  const written = expect(write('w1', 0, abort.signal)).rejects.toBe(reason);
  await clock.advance(20_000);
  abort.abort(reason);
  await clock.advance(20_000);
  await written;
});

test('while many writes go wrong in every way, at most one writer believes each revision its own', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const { broker, kv, write, eventually } = await setup(seed);
    broker.setRates({ lostPublish: 0.2, unansweredPublish: 0.3, refusedPublish: 0.1, lostRead: 0.2 });
    for (let expected = 0; expected < 10; ) {
      const rivals = await eventually(
        Promise.all(['x', 'y', 'z'].map((name) => write(`${name}${expected}`, expected))),
      );
      const winners = rivals.filter(({ type }) => type === 'written');
      expect(winners).toHaveLength(1);
      broker.setRates({});
      expected = (await eventually(kv.get('a')))?.revision ?? 0;
      expect(winners).toEqual([{ type: 'written', revision: expected }]);
      broker.setRates({ lostPublish: 0.2, unansweredPublish: 0.3, refusedPublish: 0.1, lostRead: 0.2 });
    }
  }
});
