import { expect, test } from 'vitest';
import type { FaultRates } from '../../../src/bus/memory/faults.ts';
import { seededRandom } from '../../../src/kernel/random.ts';
import { bucket } from '../../../src/kv/bucket.ts';
import { writeUntilKnown } from '../../../src/kv/write.ts';
import { bytes, text } from '../../contract/world.ts';
import { open } from './world.ts';

test('a publish that succeeds and times out is stored, and the same again is a conflict', async () => {
  const { clock, broker, queue } = await open();
  broker.next('publish', 'succeed_and_time_out', { subject: 'work.*' });
  const publish = (): Promise<unknown> => queue.publish('work.a', bytes('1'), { expectSeq: 0 });
  const first = expect(publish()).rejects.toMatchObject({ code: 'timeout' });
  await clock.advance(5_000);
  await first;
  await expect(publish()).rejects.toMatchObject({ code: 'conflict', revision: 1 });
});

test('a publish that is lost times out and was not stored', async () => {
  const { clock, broker, queue } = await open();
  broker.next('publish', 'lose_and_time_out', { subject: 'work.b' });
  await queue.publish('work.a', bytes('1'));
  const lost = expect(queue.publish('work.b', bytes('1'))).rejects.toMatchObject({ code: 'timeout' });
  await clock.advance(5_000);
  await lost;
  expect(await queue.last('WORK', 'work.b')).toBeUndefined();
});

test('a publish that is refused for want of anybody who answers was not stored', async () => {
  const { broker, queue } = await open();
  broker.next('publish', 'refuse', { times: 2 });
  for (const _ of [1, 2])
    await expect(queue.publish('work.a', bytes('1'))).rejects.toMatchObject({ code: 'unavailable' });
  expect(await queue.publish('work.a', bytes('1'))).toMatchObject({ seq: 1 });
});

test('an ack that is lost means another delivery', async () => {
  const { clock, broker, queue, consumer } = await open();
  await queue.publish('work.a', bytes('1'));
  consumer.pull({ batch: 2, waitMs: 5_000 });
  const [first] = await consumer.deliveries.count(1);
  broker.next('ack', 'lose');
  first?.ack();
  await clock.advance(1_000);
  expect(consumer.deliveries.items.map(({ deliveries }) => deliveries)).toEqual([1, 2]);
});

test('a duplicate is another delivery while the first is still in hands, and one ack takes both', async () => {
  const { clock, broker, queue, consumer } = await open();
  await queue.publish('work.a', bytes('1'));
  broker.next('deliver', 'duplicate');
  consumer.pull({ batch: 2, waitMs: 500 });
  const [first] = await consumer.deliveries.count(2);
  first?.ack();
  await clock.settle();
  expect(await queue.streamInfo('WORK')).toMatchObject({ messages: 0 });
});

test('a stale read answers from before the last write, whether or not there was one before it', async () => {
  const { broker, queue } = await open();
  for (const value of ['1', '2']) await queue.publish('latest.a', bytes(value));
  await queue.publish('latest.b', bytes('1'));
  broker.next('read', 'stale');
  const stale = await queue.lastOfEach('LATEST', ['latest.a', 'latest.b']);
  expect([...stale].map(([subject, { data }]) => [subject, text(data)])).toEqual([['latest.a', '1']]);
  const fresh = await queue.lastOfEach('LATEST', ['latest.a', 'latest.b']);
  expect([...fresh.values()].map(({ data }) => text(data))).toEqual(['2', '1']);
});

test('a core message that is lost is not heard, and a request that is lost times out', async () => {
  const { clock, broker, bus } = await open();
  const heard: string[] = [];
  bus.subscribe('a', ({ data }) => heard.push(text(data) ?? ''));
  broker.next('message', 'lose', { times: 2 });
  bus.publish('a', bytes('1'));
  const asked = expect(bus.request('a', bytes('2'))).rejects.toMatchObject({ code: 'timeout' });
  bus.publish('a', bytes('3'));
  await clock.advance(5_000);
  await asked;
  expect(heard).toEqual(['3']);
});

test('a read that was sent after a write without an answer may not see it, though it will be there', async () => {
  const { queue } = await open();
  const write = queue.publish('latest.a', bytes('1'));
  expect(await queue.last('LATEST', 'latest.a')).toBeUndefined();
  await write;
  expect(await queue.last('LATEST', 'latest.a')).toBeDefined();
});

const storm: FaultRates = {
  lostPublish: 0.1,
  unansweredPublish: 0.1,
  refusedPublish: 0.05,
  lostRead: 0.05,
  staleRead: 0.3,
  cut: 0.05,
};

/** Several writers count one key up under every fault there is. Answers what was written, in order. */
const count = async (seed: number): Promise<readonly string[]> => {
  const { clock, broker, queue } = await open({ random: seededRandom(seed) });
  await queue.ensureStream({ name: 'KV_b', subjects: ['$KV.b.>'], keep: 'last' });
  broker.setRates(storm);
  const seen: string[] = [];
  const random = seededRandom(seed + 1_000);
  let running = 3;

  const writer = async (name: string): Promise<void> => {
    const kv = bucket(broker.connect().queue, 'b');
    for (let written = 0; written < 10; ) {
      const before = await kv.get('n').catch(() => 'unknown' as const);
      if (before === 'unknown') continue;
      const next = Number(before ? text(before.value)?.split(' ')[0] : 0) + 1;
      const value = `${next} ${random.nonce()}`;
      const isMine = (entry: { readonly value: Uint8Array }): boolean => text(entry.value) === value;
      const expected = before?.revision ?? 0;
      const result = await writeUntilKnown(kv, { key: 'n', value: bytes(value), expected, isMine, clock, random });
      if (result.type === 'lost') continue;
      seen.push(`${name} ${next}`);
      written += 1;
    }
    running -= 1;
  };

  const writers = ['a', 'b', 'c'].map(writer);
  while (running > 0) await clock.advance(1_000);
  await Promise.all(writers);
  return seen;
};

test('who repeats a write until it is known loses no count and counts nothing twice, whatever goes wrong', async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const numbers = (await count(seed)).map((each) => Number(each.split(' ')[1]));
    // A writer whose own write was replaced before it could see it has lost it, though it counted: so no number comes twice.
    expect(new Set(numbers).size).toBe(30);
  }
});

test('the same seed is the same run', async () => {
  expect(await count(7)).toEqual(await count(7));
  expect(await count(7)).not.toEqual(await count(8));
});
