import { expect, test } from 'vitest';
import { nextCron } from '../../../src/bus/memory/cron.ts';

const next = (cron: string, after: string, timezone = 'UTC') =>
  new Date(nextCron(cron, timezone, Date.parse(after))).toISOString();

test.each([
  ['* * * * * *', '2026-01-01T00:00:00.500Z', '2026-01-01T00:00:01.000Z'],
  ['*/15 * * * * *', '2026-01-01T00:00:15.000Z', '2026-01-01T00:00:30.000Z'],
  ['0 30 9 * * *', '2026-01-01T09:30:00.000Z', '2026-01-02T09:30:00.000Z'],
  ['0 0 9 * * mon-fri', '2026-01-02T10:00:00.000Z', '2026-01-05T09:00:00.000Z'],
  ['0 0 0 29 feb ?', '2026-01-01T00:00:00.000Z', '2028-02-29T00:00:00.000Z'],
  ['5,10 0-10/5 * * * *', '2026-01-01T00:00:10.000Z', '2026-01-01T00:05:05.000Z'],
  ['0 0 0 1 * mon', '2026-01-02T00:00:00.000Z', '2026-01-05T00:00:00.000Z'],
])('%s after %s is %s', (cron, after, expected) => {
  expect(next(cron, after)).toBe(expected);
});

test('a cron line is read on the clock of its time zone', () => {
  expect(next('0 0 9 * * *', '2026-07-01T00:00:00Z', 'Europe/Berlin')).toBe('2026-07-01T07:00:00.000Z');
  expect(next('0 0 9 * * *', '2026-01-01T00:00:00Z', 'Asia/Kolkata')).toBe('2026-01-01T03:30:00.000Z');
});

test.each([
  'now and then',
  '* * * * *',
  '60 * * * * *',
  '5-1 * * * * *',
  '*/0 * * * * *',
  '* * * 0 * *',
  '* * * * * 7',
])('"%s" is refused', (cron) => {
  expect(() => nextCron(cron, 'UTC', 0)).toThrow(expect.objectContaining({ code: 'refused' }));
});

test('a time zone that nobody knows is refused', () => {
  expect(() => nextCron('* * * * * *', 'Nowhere/None', 0)).toThrow(expect.objectContaining({ code: 'refused' }));
});
