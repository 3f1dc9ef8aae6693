import { expect, test } from 'vitest';
import { sweep } from '../../src/actors/sweeper.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { bucket } from '../../src/kv/bucket.ts';

test('removes old values whose record is gone, and no others', async () => {
  const clock = virtualClock();
  const { queue, blobs } = memoryBroker({ clock, random: seededRandom(1) }).connect();
  const done = async <T>(promise: Promise<T>): Promise<T> => {
    await clock.settle();
    return promise;
  };
  await done(queue.ensureStream({ name: 'KV_tasks', subjects: ['$KV.tasks.>'], keep: 'last' }));
  const records = bucket(queue, 'tasks');
  await done(records.put('t.kept', new Uint8Array(1)));
  await done(blobs.put('t.kept.0.w1', new Uint8Array(10)));
  await done(blobs.put('t.gone.result.w2', new Uint8Array(10)));
  await clock.advance(3_600_000);
  await done(blobs.put('t.young.0.w3', new Uint8Array(10)));

  const swept = done(sweep({ queue, blobs, records, clock, log, recordLifeMs: () => 3_000_000 }));
  expect(await swept).toBe(1);
  expect((await done(blobs.list())).map(({ name }) => name).toSorted()).toEqual(['t.kept.0.w1', 't.young.0.w3']);
});

test('has the records of a few hundred values in memory at once', async () => {
  const clock = virtualClock();
  const { queue, blobs } = memoryBroker({ clock, random: seededRandom(1) }).connect();
  const records = bucket(queue, 'tasks');
  const reads: number[] = [];
  const getMany: typeof records.getMany = async (keys) => {
    reads.push(keys.length);
    return new Map();
  };
  const written = Promise.all(Array.from({ length: 600 }, (_, n) => blobs.put(`t.${n}.0.w`, new Uint8Array(1))));
  await clock.settle();
  await written;
  await clock.advance(1_000);
  const swept = sweep({ queue, blobs, records: { ...records, getMany }, clock, log, recordLifeMs: () => 500 });
  swept.catch(() => {}); // Awaited below, when time has passed.
  await clock.advance(1_000);
  expect([await swept, reads]).toEqual([600, [256, 256, 88]]);
});
