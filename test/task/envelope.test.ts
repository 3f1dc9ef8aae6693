import { describe, expect, test } from 'vitest';
import type { Headers } from '../../src/bus/bus.ts';
import { decodeEnvelope } from '../../src/task/envelope.ts';
import { carriedHeaders } from '../../src/task/headers.ts';

const at = Date.UTC(2026, 5, 1);

describe('what a submitter says', () => {
  test('comes out of the headers, each with its meaning', () => {
    const envelope = decodeEnvelope({
      'Troupe-Id': 'a b',
      'Troupe-Lane': 'low',
      'Troupe-Key': 'account 1',
      'Troupe-Tenant': 'acme',
      'Troupe-Group': 'batch-1',
      'Troupe-Deadline': '2h',
      'Troupe-Delay': '90s',
      traceparent: '00-1',
    });
    expect(envelope).toEqual({
      id: 'a b',
      lane: 'low',
      key: 'account 1',
      tenant: 'acme',
      group: 'batch-1',
      deadlineMs: 7_200_000,
      delayMs: 90_000,
      headers: { traceparent: '00-1' },
    });
    expect(decodeEnvelope({})).toEqual({ headers: {} });
  });

  test('is what will arrive where it goes on, also where the door keeps spaces', () => {
    expect(decodeEnvelope({ 'Troupe-Key': ' a\u00a0', 'Troupe-Tenant': 'b' })).toMatchObject({ key: 'a', tenant: 'b' });
    expect(() => decodeEnvelope({ 'Troupe-Tenant': '\u00a0' })).toThrow('it takes 1 to 128 characters');
  });

  test('may be a date, or milliseconds', () => {
    expect(
      decodeEnvelope({ 'Troupe-At': '2026-06-01T00:00:00Z', 'Troupe-Deadline': '2026-06-01T02:00:00+02:00' }),
    ).toEqual({
      dueAt: at,
      deadlineAt: at,
      headers: {},
    });
    expect(decodeEnvelope({ 'Troupe-Delay': '250' })).toEqual({ delayMs: 250, headers: {} });
  });

  test('names the task by Nats-Msg-Id where there is no Troupe-Id', () => {
    expect(decodeEnvelope({ 'Nats-Msg-Id': 'm' }).id).toBe('m');
    expect(decodeEnvelope({ 'Nats-Msg-Id': 'm', 'Troupe-Id': 't' }).id).toBe('t');
  });

  test('orders nothing from the server and forges nothing of ours', () => {
    const forged = {
      'Nats-Rollup': 'all',
      'nats-ttl': 'never',
      'NATS-Expected-Last-Sequence': '0',
      'Troupe-Resume': '3',
      'Troupe-Submitted': '0',
      'Troupe-Hash': 'x',
      'Troupe-Parent': 'p',
      Kept: 'yes',
    };
    expect(decodeEnvelope(forged)).toEqual({ headers: { Kept: 'yes' } });
    expect(carriedHeaders(forged)).toEqual({
      'Troupe-Resume': '3',
      'Troupe-Submitted': '0',
      'Troupe-Hash': 'x',
      'Troupe-Parent': 'p',
      Kept: 'yes',
    });
  });

  test.each<readonly [string, Headers, string]>([
    ['a lane that is none', { 'Troupe-Lane': 'urgent' }, 'high, normal or low'],
    ['a lane in capitals', { 'Troupe-Lane': 'HIGH' }, 'high, normal or low'],
    ['an empty key', { 'Troupe-Key': '' }, '1 to 512 characters'],
    ['a long tenant', { 'Troupe-Tenant': 'x'.repeat(129) }, '1 to 128 characters'],
    ['a long group', { 'Troupe-Group': 'x'.repeat(65) }, '1 to 64 characters'],
    ['a delay of -1s', { 'Troupe-Delay': '-1s' }, 'a duration such as'],
    ['a delay of 1e12', { 'Troupe-Delay': '1000000000000' }, 'a duration such as'],
    ['a delay in words', { 'Troupe-Delay': 'soon' }, 'a duration such as'],
    ['a deadline of two years', { 'Troupe-Deadline': '730d' }, 'a duration such as'],
    ['a deadline that is no date', { 'Troupe-Deadline': '2026-13-45T99:00:00Z' }, 'a date such as'],
    ['a time without a date', { 'Troupe-At': '12:00' }, 'a date such as'],
    ['a date before there were any', { 'Troupe-At': '0001-01-01T00:00:00Z' }, 'from 1970 on'],
    ['headers of 9 KB', { Note: 'x'.repeat(9_000) }, 'at most 8192'],
  ])('is refused with the header’s name and a remedy: %s', (_title, headers, remedy) => {
    const [name = ''] = Object.keys(headers);
    const error = expect.objectContaining({ code: 'invalid_input', message: expect.stringContaining(remedy) });
    expect(() => decodeEnvelope(headers)).toThrow(error);
    if (name !== 'Note') expect(() => decodeEnvelope(headers)).toThrow(`header ${name} is`);
  });

  test.each<readonly [string, Headers, string]>([
    ['a slip in a name', { 'Troupe-Dealy': '10m' }, 'header "Troupe-Dealy" is none of Troupe'],
    ['a name in another case', { 'troupe-id': 'x' }, 'a submitter sets Troupe-Id'],
    ['a name with a space', { 'my note': 'x' }, 'header "my note" cannot go along'],
    ['a name beyond ASCII', { ключ: 'x' }, 'cannot go along'],
    ['a line break in a value', { Note: 'a\nNats-Rollup: all' }, 'cannot go along'],
    ['a date and a delay', { 'Troupe-At': '2027-01-31T12:00:00Z', 'Troupe-Delay': '1m' }, 'no Troupe-Delay beside it'],
    ['a date without its zone', { 'Troupe-At': '2027-01-31T12:00:00' }, 'with its zone'],
    ['a date that no timer knows', { 'Troupe-At': '9999-12-31T00:00:00Z' }, 'before the year 2200'],
  ])('is refused rather than overlooked: %s', (_title, headers, remedy) => {
    expect(() => decodeEnvelope(headers)).toThrow(remedy);
  });
});

test('what cannot be published again does not keep a task from its next attempt', () => {
  expect(carriedHeaders({ 'my note': 'x', Note: 'a\nb', Kept: 'yes' })).toEqual({ Kept: 'yes' });
});
