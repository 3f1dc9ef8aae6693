import { expect, test } from 'vitest';
import { gatekeeper } from '../../src/actors/gatekeeper.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { UnavailableError } from '../../src/kernel/errors.ts';
import { type Log, silentLog } from '../../src/kernel/log.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { bucket } from '../../src/kv/bucket.ts';

const open = async (maxBytes: number, log: Log = silentLog) => {
  const clock = virtualClock();
  const { queue } = memoryBroker({ clock, random: seededRandom(1) }).connect();
  const done = async <T>(promise: Promise<T>): Promise<T> => {
    await clock.settle();
    return promise;
  };
  for (const name of ['gates', 'tasks'])
    await done(queue.ensureStream({ name: `KV_${name}`, subjects: [`$KV.${name}.>`], keep: 'last', maxBytes }));
  let behind = false;
  let away = false;
  const look = (): boolean => {
    if (away) throw new UnavailableError('the history is away');
    return behind;
  };
  const life = new AbortController();
  const { exit } = await gatekeeper({ queue, clock, log, behind: look })(life.signal);
  return {
    clock,
    tasks: bucket(queue, 'tasks'),
    done,
    setAway: (value: boolean) => (away = value),
    fallBehind: (value: boolean) => (behind = value),
    gates: () => done(bucket(queue, 'gates').keys()),
    stop: async () => {
      life.abort();
      await exit;
    },
  };
};

test('closes a gate while the projection is behind, and lets it open when that is over', async () => {
  const { clock, fallBehind, gates, stop } = await open(100_000);
  await clock.advance(10_000);
  expect(await gates()).toEqual([]);
  fallBehind(true);
  await clock.advance(2_000);
  expect(await gates()).toEqual(['projection']);
  await clock.advance(60_000);
  expect(await gates()).toEqual(['projection']);
  fallBehind(false);
  await clock.advance(25_000);
  expect(await gates()).toEqual([]);
  await stop();
});

test('closes a gate while the bucket of records is nearly full', async () => {
  const { clock, tasks, done, gates, stop } = await open(10_000);
  await done(tasks.put('t.a', new Uint8Array(9_000)));
  await clock.advance(2_000);
  expect(await gates()).toEqual(['records']);
  await done(tasks.remove('t.a'));
  await clock.advance(25_000);
  expect(await gates()).toEqual([]);
  await stop();
});

test('what cannot be seen to is told of once, and again when it has been seen to meanwhile', async () => {
  const told: unknown[] = [];
  const log: Log = { ...silentLog, warn: (fields, message) => told.push(message ?? fields) };
  const { clock, setAway, stop } = await open(10_000, log);
  setAway(true);
  await clock.advance(60_000);
  expect(told).toEqual(['a gate could not be seen to; it is tried again']);
  setAway(false);
  await clock.advance(2_000);
  setAway(true);
  await clock.advance(60_000);
  expect(told).toHaveLength(2);
  await stop();
});
