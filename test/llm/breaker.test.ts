import { expect, test } from 'vitest';
import { breaker } from '../../src/llm/breaker.ts';

const setup = () => {
  let now = 0;
  const made = breaker({ monotonic: () => now });
  const fail = (times: number): void => {
    for (let n = 0; n < times; n += 1) if (made.enter()) made.failed(true);
  };
  return { ...made, fail, pass: (ms: number) => void (now += ms) };
};

test('it opens after five failures in a row, for ten seconds', () => {
  const { enter, waitMs, fail, pass } = setup();
  fail(5);
  expect([enter(), waitMs()]).toEqual([false, 10_000]);
  pass(9_999);
  expect(enter()).toBe(false);
  pass(1);
  expect(enter()).toBe(true);
});

test('an answer in between begins the count anew', () => {
  const { enter, succeeded, fail } = setup();
  fail(4);
  succeeded();
  fail(4);
  expect(enter()).toBe(true);
});

test('one call at a time finds out whether it is well; if not, it stays open twice as long, at most two minutes', () => {
  const { enter, waitMs, failed, fail, pass } = setup();
  fail(5);
  const waits: number[] = [];
  for (let n = 0; n < 6; n += 1) {
    pass(waitMs());
    expect([enter(), enter()]).toEqual([true, false]);
    failed(true);
    waits.push(waitMs());
  }
  expect(waits).toEqual([20_000, 40_000, 80_000, 120_000, 120_000, 120_000]);
});

test('a probe that succeeds closes it; one that says nothing lets the next one try', () => {
  const { enter, succeeded, failed, fail, pass } = setup();
  fail(5);
  pass(10_000);
  expect(enter()).toBe(true);
  failed(false);
  expect(enter()).toBe(true);
  succeeded();
  expect([enter(), enter()]).toEqual([true, true]);
});

test('what says nothing about the provider does not count', () => {
  const { enter, failed } = setup();
  for (let n = 0; n < 9; n += 1) failed(false);
  expect(enter()).toBe(true);
});
