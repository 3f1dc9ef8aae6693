import { expect, test } from 'vitest';
import { gatekeeper } from '../../src/actors/gatekeeper.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { bucket } from '../../src/kv/bucket.ts';

const open = async (maxBytes: number) => {
  const clock = virtualClock();
  const { queue } = memoryBroker({ clock, random: seededRandom(1) }).connect();
  const done = async <T>(promise: Promise<T>): Promise<T> => {
    await clock.settle();
    return promise;
  };
  for (const name of ['gates', 'tasks'])
    await done(queue.ensureStream({ name: `KV_${name}`, subjects: [`$KV.${name}.>`], keep: 'last', maxBytes }));
  let behind = false;
  const life = new AbortController();
  const { exit } = await gatekeeper({ queue, clock, log, behind: () => behind })(life.signal);
  return {
    clock,
    tasks: bucket(queue, 'tasks'),
    done,
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
