import { expect, test } from 'vitest';
import { startPermit } from '../../src/actors/start-permit.ts';
import { permitIdOf } from '../../src/limiter/permit-id.ts';
import type { Permit } from '../../src/limiter/permits.ts';

const opened = (inTime: () => boolean = () => true) => {
  let nowMs = 0;
  const fate: string[] = [];
  const told = (what: string) => () => void fate.push(what);
  const permit: Permit = {
    id: permitIdOf('1.1.1'),
    budget: 'b',
    waitedMs: 0,
    inTime,
    begun: told('begun'),
    whenOver: () => ({ cancel: () => undefined }),
    sent: told('sent'),
    heard: told('heard'),
    unsent: told('unsent'),
    settle: told('settled'),
  };
  const made = startPermit({ monotonic: () => nowMs }, permit);
  return { made, fate, wait: (ms: number) => void (nowMs += ms) };
};

test('a start is sent and heard at its begin, and settled at its end, once', () => {
  const { made, fate } = opened();
  expect(made.begin()).toBe(true);
  made.end();
  made.end();
  expect(fate).toEqual(['sent', 'heard', 'settled']);
});

test('a permit that nothing began with is returned', () => {
  const { made, fate } = opened();
  made.end();
  made.end();
  expect(fate).toEqual(['unsent']);
});

test('a start that is a little late is counted as such, and one that is a window late does not happen', () => {
  const little = opened(() => false);
  little.wait(1_000);
  expect(little.made.begin()).toBe(true);
  expect(little.fate).toEqual(['sent', 'heard']);
  const long = opened(() => true);
  long.wait(60_000);
  expect(long.made.begin()).toBe(true); // Its permit is.
  const much = opened(() => false);
  much.wait(1_001);
  expect(much.made.begin()).toBe(false);
  much.made.end();
  expect(much.fate).toEqual(['unsent']);
});

test('without a permit there is no start', () => {
  const made = startPermit({ monotonic: () => 0 }, undefined);
  expect(made.begin()).toBe(false);
  made.end();
});
