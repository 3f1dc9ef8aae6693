import { expect, test } from 'vitest';
import { lookups } from '../../src/actors/lookup.ts';
import { silentLog } from '../../src/kernel/log.ts';
import type { Bucket } from '../../src/kv/kv.ts';
import { bytes, open } from '../task/world.ts';

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
  return { ...world, records, reads, lookUp: lookups(records, silentLog) };
};

test('all that is asked in one turn is one read', async () => {
  const { records, reads, lookUp } = await setup();
  await records.put('t.b', bytes('{}'));
  const first = Promise.all(['t.a', 't.b', 't.c'].map(lookUp));
  expect(await first).toEqual(['absent', 'present', 'absent']);
  expect(await lookUp('t.b')).toBe('present');
  expect(reads).toEqual([3, 1]);
});

test('a read that fails is nobody’s failure: each has to ask for itself', async () => {
  const { broker, lookUp, eventually } = await setup();
  broker.next('read', 'lose_and_time_out');
  expect(await eventually(Promise.all(['t.a', 't.b'].map(lookUp)))).toEqual(['unknown', 'unknown']);
  expect(await lookUp('t.a')).toBe('absent');
});

test('a key that cannot be one is nobody else’s failure for long', async () => {
  const { lookUp } = await setup();
  expect(await Promise.all(['t.a', 't.$'].map(lookUp))).toEqual(['unknown', 'unknown']);
  expect(await lookUp('t.a')).toBe('absent');
});
