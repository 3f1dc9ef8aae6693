import { describe, expect, test } from 'vitest';
import { envelopeOf } from '../../src/app/envelope.ts';

test('options travel as what they mean', () => {
  const at = new Date(5_000);
  expect(
    envelopeOf({
      id: 'a',
      key: 'k',
      tenant: 't',
      lane: 'low',
      group: 'g',
      at,
      deadline: '1h',
      headers: { Trace: '1' },
    }),
  ).toEqual({
    id: 'a',
    key: 'k',
    tenant: 't',
    lane: 'low',
    group: 'g',
    dueAt: 5_000,
    deadlineMs: 3_600_000,
    headers: { Trace: '1' },
  });
  expect(envelopeOf({ delay: '10s' })).toEqual({ delayMs: 10_000, headers: {} });
  expect(envelopeOf({})).toEqual({ headers: {} });
});

test('what travels in headers is what will arrive', () => {
  expect(envelopeOf({ key: '  a b ', tenant: 'x\ud83d', headers: { A: ' 1\t' } })).toEqual({
    key: 'a b',
    tenant: 'x\ufffd',
    headers: { A: '1' },
  });
});

const many = (count: number, letter: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`H${n}`, letter.repeat(1_000)]));

/** As JavaScript may give them. */
const wrong: readonly (readonly [title: string, options: Record<string, unknown>, told: string])[] = [
  ['both delay and at', { delay: '1s', at: new Date() }, 'not both'],
  ['a lane that is none', { lane: 'urgent' }, 'lane is "urgent"; it takes high, normal or low'],
  ['a date that is none', { at: new Date('never') }, 'at is "Invalid Date"; it takes a Date'],
  ['a date as text', { at: '2030-01-01' }, 'at is "2030-01-01"; it takes a Date'],
  ['no date', { at: null }, 'at is "null"; it takes a Date'],
  ['a date that no timer knows', { at: new Date('2300-01-01') }, 'at is 2300-01-01T00:00:00.000Z; it takes a Date'],
  ['the last date there is', { at: new Date(8.64e15) }, 'from 1970 on and before the year 2200'],
  ['the first date there is', { at: new Date(-8.64e15) }, 'from 1970 on and before the year 2200'],
  ['a delay that is none', { delay: 'soon' }, 'delay'],
  ['a delay of less than nothing', { delay: -1 }, 'delay'],
  ['a deadline of nothing', { deadline: 0 }, 'deadline'],
  ['a deadline of 1e12', { deadline: 1e12 }, 'deadline'],
  ['an empty key', { key: '' }, 'key must be text of 1 to 512 characters'],
  ['a key of spaces', { key: '  ' }, 'key must be text of 1 to 512 characters'],
  ['a key with a line break', { key: 'a\r\nNats-Rollup: all' }, 'without line breaks'],
  ['a tenant that is a number', { tenant: 7 }, 'tenant must be text'],
  ['a tenant that is too long', { tenant: 'x'.repeat(129) }, '1 to 128'],
  ['a group that is no token', { group: 'a.b' }, 'group is "a.b"; it takes 1 to 64'],
  ['a header of the server’s', { headers: { 'Nats-Rollup': 'all' } }, 'cannot be set'],
  ['the same in small letters', { headers: { 'nats-ttl': 'never' } }, 'cannot be set'],
  ['a header of ours', { headers: { 'TROUPE-Resume': '1' } }, 'cannot be set'],
  ['a header whose name is none', { headers: { 'a b': '1' } }, 'cannot be set'],
  ['a header with a line break', { headers: { A: 'x\r\nNats-Expected-Last-Sequence: 0' } }, 'without line breaks'],
  ['a header that is too long', { headers: { A: 'x'.repeat(1_025) } }, 'at most 1,024'],
  ['a header that is no text', { headers: { A: 1 } }, 'must be text'],
  ['headers of 9 KB', { headers: many(9, 'x') }, 'headers of 9054 bytes; at most 8192 are taken: put the rest'],
  ['headers of 9 KB in fewer characters', { headers: many(5, 'é') }, 'at most 8192 are taken'],
];

describe('options that make no sense are refused, by name', () => {
  test.each(wrong)('%s', (_title, options, told) => {
    const submit = (): unknown => envelopeOf(options);
    expect(submit).toThrow(told);
    expect(submit).toThrow(expect.objectContaining({ code: expect.stringMatching(/^invalid_(input|duration)$/) }));
  });
});
