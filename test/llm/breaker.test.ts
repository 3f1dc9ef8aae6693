import { expect, test } from 'vitest';
import { breaker } from '../../src/llm/breaker.ts';

const setup = () => {
  let now = 0;
  const made = breaker({ monotonic: () => now });
  const enter = (): number => made.enter() ?? 0;
  const fail = (times: number): void => {
    for (let n = 0; n < times; n += 1) made.failed([enter()], true);
  };
  return { ...made, enter, fail, pass: (ms: number) => void (now += ms) };
};

test('it opens after five failures in a row, for ten seconds', () => {
  const { enter, waitMs, fail, pass } = setup();
  fail(5);
  expect([enter(), waitMs()]).toEqual([0, 10_000]);
  pass(9_999);
  expect(enter()).toBe(0);
  pass(1);
  expect(enter()).toBeGreaterThan(0);
});

test('an answer in between begins the count anew', () => {
  const { enter, succeeded, fail } = setup();
  fail(4);
  succeeded();
  fail(4);
  expect(enter()).toBeGreaterThan(0);
});

test('one call at a time finds out whether it is well; if not, it stays open twice as long, at most two minutes', () => {
  const { enter, waitMs, failed, fail, pass } = setup();
  fail(5);
  const waits: number[] = [];
  for (let n = 0; n < 6; n += 1) {
    pass(waitMs());
    const probe = enter();
    expect([probe > 0, enter()]).toEqual([true, 0]);
    failed([probe], true);
    waits.push(waitMs());
  }
  expect(waits).toEqual([20_000, 40_000, 80_000, 120_000, 120_000, 120_000]);
});

test('a probe that succeeds closes it; one that says nothing lets the next one try', () => {
  const { enter, succeeded, failed, fail, pass } = setup();
  fail(5);
  pass(10_000);
  failed([enter()], false);
  expect(enter()).toBeGreaterThan(0);
  succeeded();
  expect([enter(), enter()]).not.toContain(0);
});

test.each([
  ['fails', true],
  ['says nothing', false],
])('a call from before it opened that %s meanwhile is not taken for the probe', (_, counts) => {
  const { enter, waitMs, failed, fail, pass } = setup();
  const early = enter();
  fail(5);
  pass(10_000);
  const probe = enter();
  failed([early], counts);
  expect([enter(), waitMs()]).toEqual([0, 5_000]);
  failed([probe], true);
  expect(waitMs()).toBe(20_000);
});

test('a call that was made for several failed as the probe if one of them was', () => {
  const { enter, waitMs, failed, fail, pass } = setup();
  const early = enter();
  fail(5);
  pass(10_000);
  failed([early, enter()], true);
  expect(waitMs()).toBe(20_000);
});

test('what says nothing about the provider does not count', () => {
  const { enter, failed } = setup();
  for (let n = 0; n < 9; n += 1) failed([enter()], false);
  expect(enter()).toBeGreaterThan(0);
});
