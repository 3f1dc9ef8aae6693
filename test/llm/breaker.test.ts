import { expect, test } from 'vitest';
import { systemClock } from '../../src/kernel/clock.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { breaker, type Illness } from '../../src/llm/breaker.ts';
import { toldBreaker } from '../../src/llm/told-breaker.ts';

const setup = () => {
  let now = 0;
  const told: unknown[] = [];
  const opened = (ms: number, { cause }: Illness) => void told.push([ms, cause]);
  const made = breaker({ monotonic: () => now }, { opened, closed: () => void told.push('closed') });
  const enter = (): number => made.enter() ?? 0;
  const fail = (times: number): void => {
    for (let n = 0; n < times; n += 1) made.failed([enter()], { cause: n });
  };
  return { ...made, told, enter, fail, pass: (ms: number) => void (now += ms) };
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
    failed([probe], { cause: 'ill' });
    waits.push(waitMs());
  }
  expect(waits).toEqual([20_000, 40_000, 80_000, 120_000, 120_000, 120_000]);
});

test('a probe that succeeds closes it; one that says nothing lets the next one try', () => {
  const { enter, succeeded, failed, fail, pass } = setup();
  fail(5);
  pass(10_000);
  failed([enter()]);
  expect(enter()).toBeGreaterThan(0);
  succeeded();
  expect([enter(), enter()]).not.toContain(0);
});

test.each([
  ['fails', { cause: 'ill' }],
  ['says nothing', undefined],
])('a call from before it opened that %s meanwhile is not taken for the probe', (_, ill) => {
  const { enter, waitMs, failed, fail, pass } = setup();
  const early = enter();
  fail(5);
  pass(10_000);
  const probe = enter();
  failed([early], ill);
  expect([enter(), waitMs()]).toEqual([0, 5_000]);
  failed([probe], { cause: 'ill' });
  expect(waitMs()).toBe(20_000);
});

test('a call that was made for several failed as the probe if one of them was', () => {
  const { enter, waitMs, failed, fail, pass } = setup();
  const early = enter();
  fail(5);
  pass(10_000);
  failed([early, enter()], { cause: 'ill' });
  expect(waitMs()).toBe(20_000);
});

test('what says nothing about the provider does not count', () => {
  const { enter, failed } = setup();
  for (let n = 0; n < 9; n += 1) failed([enter()]);
  expect(enter()).toBeGreaterThan(0);
});

test('it tells each time that it opens, with why, and that it is well again; answers of one that is well are no news', () => {
  const { enter, succeeded, failed, illness, told, fail, pass } = setup();
  succeeded();
  fail(6);
  expect([told, illness()]).toEqual([[[10_000, 4]], { cause: 5 }]);
  pass(10_000);
  failed([enter()], { cause: 'probe' });
  pass(20_000);
  enter();
  succeeded();
  succeeded();
  expect([told, illness()]).toEqual([[[10_000, 4], [20_000, 'probe'], 'closed'], undefined]);
});

test('the log says which entry of which model is left alone, for how long and why, and when it answers again', () => {
  const lines: unknown[] = [];
  const note =
    (level: string) =>
    (...line: unknown[]): void =>
      void lines.push([level, ...line]);
  const log = { ...silentLog, warn: note('warn'), info: note('info') };
  const model = { provider: 'openai', modelId: 'gpt' };
  const entry = toldBreaker({ clock: { ...systemClock, monotonic: () => 0 }, log }, 'fast', { model });
  for (let n = 0; n < 7; n += 1) entry.failed([n], { cause: new Error('connect ECONNREFUSED') });
  entry.succeeded();
  const which = { model: 'fast', by: 'openai/gpt' };
  expect(lines).toEqual([
    [
      'warn',
      { ...which, ms: 10_000, lastError: 'connect ECONNREFUSED' },
      expect.stringContaining('left alone for 10s'),
    ],
    ['info', which, expect.stringContaining('answers again')],
  ]);
});
