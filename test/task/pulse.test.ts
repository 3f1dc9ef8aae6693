import { expect, test } from 'vitest';
import { lives } from '../../src/task/lives.ts';
import { pulse } from '../../src/task/pulse.ts';

const setup = () => {
  let now = 0;
  const alive = pulse({ monotonic: () => now }, 30_000);
  const after = (ms: number): readonly [boolean, number] => {
    now += ms;
    return [alive.isBroken(), alive.breaks()];
  };
  return { alive, after, now: () => now };
};

test('a break is longer than the ack wait, and counts once when it is over', () => {
  const { alive, after, now } = setup();
  expect(after(30_000)).toEqual([false, 0]);
  alive.beat(now());
  expect([after(30_000), after(1), after(60_000)]).toEqual([
    [false, 0],
    [true, 0],
    [true, 0],
  ]);
  alive.beat(now());
  expect([after(0), after(30_000), after(1)]).toEqual([
    [false, 1],
    [false, 1],
    [true, 1],
  ]);
});

test('what is answered late was a break, and is no sign of life since it was sent', () => {
  const { alive, after, now } = setup();
  const sentAt = now();
  after(31_000);
  alive.beat(sentAt);
  expect(after(0)).toEqual([true, 1]);
});

test('while a break goes on an attempt is certain of its task for no longer than it asks, and must ask once more after it', async () => {
  const { alive, after, now } = setup();
  const life = lives(alive).begin('t.a');
  const ask = async (): Promise<void> => {};
  after(40_000);
  await life.confirm(ask);
  expect(life.isDoubtful()).toBe(true);
  alive.beat(now());
  expect(life.isDoubtful()).toBe(true);
  await life.confirm(ask);
  expect(life.isDoubtful()).toBe(false);
});

test('an answer that a break was over before is no answer to whose the task is after it', async () => {
  const { alive, after, now } = setup();
  const life = lives(alive).begin('t.a');
  await life.confirm(async () => {
    after(31_000);
    alive.beat(now());
  });
  expect(life.isDoubtful()).toBe(true);
});
