import { beforeEach, describe, expect, test } from 'vitest';
import { memoryBroker, type MemoryConnection } from '../../src/bus/memory/broker.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { type VirtualClock, virtualClock } from '../../src/kernel/virtual-clock.ts';
import { bucket } from '../../src/kv/bucket.ts';
import { type Gate, gate } from '../../src/task/gate.ts';

let clock: VirtualClock;
let connection: MemoryConnection;
let entry: Gate;
beforeEach(() => {
  clock = virtualClock();
  connection = memoryBroker({ clock, random: seededRandom(1) }).connect();
  entry = gate({ queue: connection.queue, clock, log });
});

const make = async (): Promise<void> => {
  const made = connection.queue.ensureStream({ name: 'KV_gates', subjects: ['$KV.gates.>'], keep: 'last' });
  await clock.settle();
  await made;
};
const say = async (value: string, key = 'projection'): Promise<void> => {
  const said = bucket(connection.queue, 'gates').put(key, new TextEncoder().encode(value));
  await clock.settle();
  await said;
};
const opened = async (): Promise<void> => {
  const opening = entry.opening();
  await clock.settle();
  await opening;
};

describe('the gate before submits', () => {
  test('is closed until the moment that was said, and opens by itself', async () => {
    await make();
    await say(JSON.stringify({ until: connection.queue.now() + 10_000 }));
    await opened();
    expect(entry.opening()).toBeUndefined();
    expect(() => entry.pass()).toThrow(expect.objectContaining({ code: 'overloaded', retryAfterMs: 10_000 }));
    await clock.advance(9_000);
    expect(() => entry.pass()).toThrow(expect.objectContaining({ retryAfterMs: 1_000 }));
    await clock.advance(1_000);
    entry.pass();
  });

  test('closes for those who have passed before', async () => {
    await make();
    await opened();
    entry.pass();
    await say(JSON.stringify({ until: connection.queue.now() + 10_000 }));
    expect(() => entry.pass()).toThrow('projection');
  });

  test('stays closed while one reason of several holds, and says it', async () => {
    await make();
    const now = connection.queue.now();
    await say(JSON.stringify({ until: now + 5_000, why: 'the history is too far behind' }));
    await say(JSON.stringify({ until: now + 10_000, why: 'the bucket of records is nearly full' }), 'records');
    await opened();
    expect(() => entry.pass()).toThrow('projection: the history is too far behind');
    await clock.advance(5_000);
    expect(() => entry.pass()).toThrow('records: the bucket of records is nearly full');
    await clock.advance(5_000);
    entry.pass();
  });

  test('opens when an operator deletes what was said, and where nobody can read what comes instead', async () => {
    await make();
    const said = JSON.stringify({ until: connection.queue.now() + 10_000 });
    await say(said);
    await opened();
    expect(() => entry.pass()).toThrow('projection');
    connection.bus.publish('$KV.gates.projection', new Uint8Array(), { headers: { 'KV-Operation': 'DEL' } });
    await clock.settle();
    entry.pass();
    await say(said);
    expect(() => entry.pass()).toThrow('projection');
    await say('{}');
    entry.pass();
  });

  test('hears nothing more once nobody needs it', async () => {
    await make();
    await opened();
    entry.close();
    await say(JSON.stringify({ until: connection.queue.now() + 10_000 }));
    entry.pass();
  });

  test('is open where nobody can read what was said', async () => {
    await make();
    await say('{"until":"tomorrow"}');
    await opened();
    entry.pass();
  });

  test('is open where there is no such bucket, and asks again later only', async () => {
    await opened();
    entry.pass();
    expect(entry.opening()).toBeUndefined();
    await make();
    await say(JSON.stringify({ until: connection.queue.now() + 60_000 }));
    await clock.advance(30_000);
    await opened();
    expect(() => entry.pass()).toThrow('projection');
  });

  test('is open after a second in which nobody answers', async () => {
    connection.cut();
    const opening = entry.opening();
    await clock.advance(1_000);
    await opening;
    entry.pass();
  });
});
