import { describe, expect, test } from 'vitest';
import { bucket } from '../../src/kv/bucket.ts';
import type { Entry } from '../../src/kv/kv.ts';
import { bytes, collect, type Make, text } from './world.ts';

/** What a bucket promises on any queue. */
export const kvContract = (make: Make): void => {
  describe('entries', () => entryContract(make));
  describe('keys and watches', () => watchContract(make));
};

const open = async (make: Make) => {
  const world = await make();
  const { queue } = await world.connect();
  await queue.ensureStream({ name: 'KV_b', subjects: ['$KV.b.>'], keep: 'last' });
  /** What `nats kv del` and `nats kv purge` write. */
  const mark = (key: string, operation: 'DEL' | 'PURGE') =>
    queue.publish(`$KV.b.${key}`, bytes(''), { headers: { 'KV-Operation': operation } });
  return { world, queue, mark, kv: bucket(queue, 'b') };
};

const entryContract = (make: Make): void => {
  test('a key is created once, then replaced by who knows its revision', async () => {
    const { kv } = await open(make);
    const first = await kv.update('a.1', bytes('1'), 0);
    await expect(kv.update('a.1', bytes('x'), 0)).rejects.toMatchObject({ code: 'conflict', revision: first });
    const second = await kv.update('a.1', bytes('2'), first);
    await expect(kv.update('a.1', bytes('x'), first)).rejects.toMatchObject({ code: 'conflict', revision: second });
    expect(second).toBeGreaterThan(first);
    const entry = await kv.get('a.1');
    expect(entry).toMatchObject({ key: 'a.1', revision: second });
    expect(text(entry?.value)).toBe('2');
    expect(entry && 'ttlMs' in entry).toBe(false);
  });

  test('a key that is not there cannot be replaced', async () => {
    const { kv } = await open(make);
    expect(await kv.get('a')).toBeUndefined();
    await expect(kv.update('a', bytes('x'), 3)).rejects.toMatchObject({ code: 'conflict' });
  });

  test('put writes whatever was there', async () => {
    const { kv } = await open(make);
    await kv.put('a', bytes('1'));
    const revision = await kv.put('a', bytes('2'));
    expect(await kv.get('a')).toMatchObject({ revision });
  });

  test('a removed key is gone without a trace, and can be created', async () => {
    const { kv, queue } = await open(make);
    await kv.put('a.1', bytes('1'));
    await kv.put('a.10', bytes('1'));
    await kv.remove('a.1');
    await kv.remove('none');
    expect(await kv.get('a.1')).toBeUndefined();
    expect(await kv.get('a.10')).toBeDefined();
    expect((await queue.streamInfo('KV_b')).messages).toBe(1);
    await kv.update('a.1', bytes('2'), 0);
  });

  test('an entry with a time to live says so, and is gone after it', async () => {
    const { kv, world } = await open(make);
    await kv.update('a', bytes('1'), 0, { ttlMs: 1_000 });
    expect(await kv.get('a')).toMatchObject({ ttlMs: 1_000 });
    for (const ttlMs of [3_600_000, 90_500]) {
      await kv.put('b', bytes('1'), { ttlMs });
      expect((await kv.getMany(['b'])).get('b')).toMatchObject({ ttlMs });
    }
    const gone = async (): Promise<void> => {
      while (await kv.get('a')) await world.clock.sleep(50);
    };
    await world.eventually(gone());
    await kv.update('a', bytes('2'), 0);
  });

  test('what `nats kv del` and `purge` leave is an absent key, which can be created', async () => {
    const { kv, mark } = await open(make);
    for (const operation of ['DEL', 'PURGE'] as const) {
      const key = `a.${operation}`;
      const revision = await kv.put(key, bytes('1'));
      await mark(key, operation);
      expect(await kv.get(key)).toBeUndefined();
      expect(await kv.getMany([key])).toEqual(new Map());
      await expect(kv.update(key, bytes('x'), revision)).rejects.toMatchObject({ code: 'conflict' });
      await kv.update(key, bytes('2'), 0, { ttlMs: 60_000 });
      const entry = await kv.get(key);
      expect([text(entry?.value), entry?.ttlMs]).toEqual(['2', 60_000]);
      await expect(kv.update(key, bytes('x'), 0)).rejects.toMatchObject({ code: 'conflict' });
    }
  });

  test('many keys are one read, under the keys they were asked for', async () => {
    const { kv } = await open(make);
    const revision = await kv.put('a', bytes('1'));
    await kv.put('t.=aGk', bytes('2'));
    const found = await kv.getMany(['a', 't.=aGk', 'none']);
    expect([...found.keys()].sort()).toEqual(['a', 't.=aGk']);
    expect(found.get('a')).toMatchObject({ key: 'a', revision });
  });

  test('a key that would address others is refused', async () => {
    const { kv } = await open(make);
    const named = { code: 'invalid_name' };
    for (const key of ['>', 'a.*', '', '.', 'a.', 'a b', 'ü']) {
      await expect(kv.remove(key)).rejects.toMatchObject(named);
      await expect(kv.get(key)).rejects.toMatchObject(named);
      await expect(kv.getMany([key])).rejects.toMatchObject(named);
      await expect(kv.put(key, bytes('x'))).rejects.toMatchObject(named);
      await expect(kv.update(key, bytes('x'), 0)).rejects.toMatchObject(named);
    }
  });
};

const watchContract = (make: Make): void => {
  type Change = readonly [key: string, value: string | undefined];

  const watching = async (filter: string) => {
    const opened = await open(make);
    const changes = collect<Change>();
    const caughtUp = collect<true>();
    const watch = () =>
      opened.kv.watch(filter, (key, entry: Entry | undefined) => changes.push([key, text(entry?.value)]), {
        caughtUp: () => caughtUp.push(true),
      });
    return { ...opened, changes, caughtUp, watch };
  };

  test('keys are those that hold an entry and match', async () => {
    const { kv, mark } = await open(make);
    expect(await kv.keys()).toEqual([]);
    for (const key of ['a.1', 'a.2', 'b.1', 'gone']) await kv.put(key, bytes('x'));
    await mark('gone', 'DEL');
    await kv.remove('a.2');
    expect([...(await kv.keys())].sort()).toEqual(['a.1', 'b.1']);
    expect(await kv.keys('a.*')).toEqual(['a.1']);
    expect(await kv.keys('c.>')).toEqual([]);
  });

  test('a watch tells what there is, that it has, and then each change', async () => {
    const { kv, mark, changes, caughtUp, watch } = await watching('a.>');
    await kv.put('a.1', bytes('1'));
    await kv.put('a.1', bytes('2'));
    await kv.put('b.1', bytes('x'));
    await watch();
    await caughtUp.count(1);
    expect(changes.items).toEqual([['a.1', '2']]);
    await kv.put('a.2', bytes('3'));
    await mark('a.1', 'PURGE');
    expect(await changes.count(3)).toEqual([
      ['a.1', '2'],
      ['a.2', '3'],
      ['a.1', undefined],
    ]);
  });

  test('a watch that is ended tells nothing more', async () => {
    const { kv, queue, changes, caughtUp, watch } = await watching('>');
    (await watch()).unsubscribe();
    const seen = collect<string>();
    await queue.tail('KV_b', { filter: '$KV.b.>', from: 'new', deliver: ({ subject }) => seen.push(subject) });
    await kv.put('a', bytes('1'));
    await seen.count(1);
    expect(changes.items).toEqual([]);
    expect(caughtUp.items.length).toBeLessThanOrEqual(1);
  });
};
