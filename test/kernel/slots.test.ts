import { expect, test } from 'vitest';
import { slots } from '../../src/kernel/slots.ts';

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test('so many go at once, and the others in the order in which they came', async () => {
  const places = slots(2);
  expect(places.take()).toBeUndefined();
  expect(places.take()).toBeUndefined();
  const went: number[] = [];
  for (const each of [1, 2, 3]) void places.take()?.then(() => went.push(each));
  await turn();
  expect(went).toEqual([]);
  places.give();
  await turn();
  expect(went).toEqual([1]);
  places.give();
  places.give();
  await turn();
  expect(went).toEqual([1, 2, 3]);
});

test('it says when all are free again', async () => {
  const places = slots(1);
  await places.free();
  void places.take();
  const waiting = places.take();
  let free = false;
  void places.free().then(() => (free = true));
  places.give();
  await waiting;
  await turn();
  expect(free).toBe(false);
  places.give();
  await turn();
  expect(free).toBe(true);
  expect(places.take()).toBeUndefined();
});

test('work that is held in a slot waits for it, and gives it back however it ends', async () => {
  const places = slots(1);
  const first = Promise.withResolvers<string>();
  const failing = places.hold(() => first.promise);
  let begun = false;
  const second = places.hold(() => {
    begun = true;
    return Promise.resolve('done');
  });
  await turn();
  expect(begun).toBe(false);
  first.reject(new Error('failed'));
  await expect(failing).rejects.toThrow('failed');
  expect(await second).toBe('done');
  await places.free();
});
