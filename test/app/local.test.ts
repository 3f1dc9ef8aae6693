import { expect, test } from 'vitest';
import { localCache } from '../../src/app/local.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';

const opened = () => {
  const clock = virtualClock();
  const loads: string[] = [];
  const load = (value: string) => async (): Promise<string> => {
    loads.push(value);
    return value;
  };
  return { clock, cache: localCache(clock), loads, load };
};

test('a value is kept as long as it was to be', async () => {
  const { clock, cache } = opened();
  cache.set('brief', 1, '10s');
  cache.set('long', 2);
  await clock.advance(9_999);
  expect([cache.get('brief'), cache.get('long'), cache.get('none')]).toEqual([1, 2, undefined]);
  await clock.advance(1);
  expect([cache.get('brief'), cache.get('long')]).toEqual([undefined, 2]);
});

test('a value is loaded once, however many ask at the same time, and at any moment of it', async () => {
  const { cache, loads, load } = opened();
  const asks: Promise<string>[] = [];
  for (let n = 0; n < 20; n += 1) {
    asks.push(cache.wrap('k', load('v')));
    await Promise.resolve();
  }
  expect(new Set(await Promise.all(asks))).toEqual(new Set(['v']));
  expect(loads).toEqual(['v']);
});

test('undefined is a value too', async () => {
  const { cache, loads, load } = opened();
  for (const _ of [1, 2]) await cache.wrap('k', async () => void (await load('v')()));
  expect(loads).toHaveLength(1);
});

test('a load that fails is told to all who wait, and is not kept', async () => {
  const { cache, load } = opened();
  const fail = () => Promise.reject(new Error('down'));
  const asks = [cache.wrap('k', fail), cache.wrap('k', fail)].map((ask) => expect(ask).rejects.toThrow('down'));
  await Promise.all(asks);
  await expect(
    cache.wrap('k', () => {
      throw new Error('at once');
    }),
  ).rejects.toThrow('at once');
  expect(await cache.wrap('k', load('v'))).toBe('v');
});

test('a loaded value has a time to live, too', async () => {
  const { clock, cache, loads, load } = opened();
  await cache.wrap('k', load('one'), '1m');
  await clock.advance(60_000);
  expect(await cache.wrap('k', load('two'), '1m')).toBe('two');
  expect(loads).toEqual(['one', 'two']);
});

test('when there is no room, what was used longest ago goes', () => {
  const { cache } = opened();
  for (let n = 0; n < 10_000; n += 1) cache.set(String(n), n);
  cache.get('0');
  cache.set('one more', true);
  expect([cache.get('0'), cache.get('1'), cache.get('2')]).toEqual([0, undefined, 2]);
});

test('a time to live that is none is refused', async () => {
  const { cache, load } = opened();
  const ttl = 'soon' as '1s'; // As JavaScript may have it.
  expect(() => cache.set('k', 1, ttl)).toThrow('ttl of local "k"');
  await expect(cache.wrap('k', load('v'), ttl)).rejects.toMatchObject({ code: 'invalid_duration' });
});
