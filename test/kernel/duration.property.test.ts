import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatMs, InvalidDurationError, toMs } from '../../src/kernel/duration.ts';

const yearMs = 365 * 86_400_000;

describe('toMs', () => {
  test.each([
    [0, 0],
    [250, 250],
    ['250ms', 250],
    ['10s', 10_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['3d', 259_200_000],
    [1.6, 2],
  ])('%j is %d ms', (duration, ms) => {
    expect(toMs(duration)).toBe(ms);
  });

  test.each([NaN, '', '5', '5 minutes', '5 m', 'm', '1e3s', '0x10ms', '5M', '٥s', undefined, null, {}, [5], 5n])(
    '%s is no duration',
    (value) => {
      expect(() => toMs(value, 'timeout')).toThrow(InvalidDurationError);
      expect(() => toMs(value, 'timeout')).toThrow(/^timeout: .* is not a duration; give /);
    },
  );

  test.each([-1, '-5m', Infinity, -Infinity, 1e12, '366d', `${'9'.repeat(15)}d`])('%s is out of bounds', (value) => {
    expect(() => toMs(value, 'timeout of task "a"')).toThrow(
      /^timeout of task "a": .* is out of bounds; give 0ms to 365d$/,
    );
  });

  test('bounds are inclusive and of the caller’s choice', () => {
    const bounds = { minMs: 1_000, maxMs: 30_000 };
    expect(toMs('1s', 'ttl', bounds)).toBe(1_000);
    expect(toMs('30s', 'ttl', bounds)).toBe(30_000);
    expect(() => toMs('999ms', 'ttl', bounds)).toThrow("ttl: '999ms' is out of bounds; give 1s to 30s");
  });

  test('a long text is answered at once, with only its beginning', () => {
    expect(() => toMs('9'.repeat(1_000_000), 'timeout')).toThrow(/^.{0,200}$/);
  });

  test('what formatMs writes it reads back', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: yearMs }), (ms) => toMs(formatMs(ms)) === ms));
  });

  test('any value is a number within bounds, or a typed error', () => {
    fc.assert(
      fc.property(fc.anything(), (value) => {
        try {
          const ms = toMs(value);
          return Number.isInteger(ms) && ms >= 0 && ms <= yearMs;
        } catch (error) {
          return error instanceof InvalidDurationError;
        }
      }),
    );
  });
});

test.each([
  [0, '0ms'],
  [1_500, '1500ms'],
  [90_000, '90s'],
  [120_000, '2m'],
  [86_400_000, '1d'],
])('formatMs says %d as %s', (ms, text) => {
  expect(formatMs(ms)).toBe(text);
});
