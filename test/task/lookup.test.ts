import { expect, test } from 'vitest';
import { silentLog } from '../../src/kernel/log.ts';
import type { Bucket } from '../../src/kv/kv.ts';
import { lookups } from '../../src/task/lookup.ts';
import { bytes, open } from './world.ts';

const setup = async () => {
  const world = await open();
  const reads: number[] = [];
  const records: Bucket = {
    ...world.ports.records,
    getMany: (keys) => {
      reads.push(keys.length);
      return world.ports.records.getMany(keys);
    },
  };
  const lookUp = lookups(records, world.clock, silentLog);
  const asked = (...keys: readonly string[]) => world.eventually(Promise.all(keys.map((key) => lookUp(key).found)));
  return { ...world, records, reads, lookUp, asked };
};

test('all that is asked in one turn is one read', async () => {
  const { records, reads, asked } = await setup();
  await records.put('t.b', bytes('{}'));
  expect(await asked('t.a', 't.b', 't.c')).toEqual(['absent', 'present', 'absent']);
  expect(await asked('t.b')).toEqual(['present']);
  expect(reads).toEqual([3, 1]);
});

test('what nobody wants to know any more is not asked, and where that is all, nothing is', async () => {
  const { reads, lookUp, eventually } = await setup();
  const [a, b, again] = [lookUp('t.a'), lookUp('t.b'), lookUp('t.a')];
  a.drop();
  expect(await eventually(Promise.all([a.found, b.found, again.found]))).toEqual(['unasked', 'absent', 'absent']);
  const last = lookUp('t.c');
  last.drop();
  expect(await eventually(last.found)).toBe('unasked');
  expect(reads).toEqual([2]);
});

test('a read that fails is nobody’s failure: each has to ask for itself', async () => {
  const { broker, asked } = await setup();
  broker.next('read', 'lose_and_time_out');
  expect(await asked('t.a', 't.b')).toEqual(['unknown', 'unknown']);
  expect(await asked('t.a')).toEqual(['absent']);
});

test('a key that cannot be one is nobody else’s failure for long', async () => {
  const { asked } = await setup();
  expect(await asked('t.a', 't.$')).toEqual(['unknown', 'unknown']);
  expect(await asked('t.a')).toEqual(['absent']);
});
