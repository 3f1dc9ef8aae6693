import { describe, expect, test } from 'vitest';
import { revive, summarise } from '../../src/kernel/error.ts';
import * as errors from '../../src/kernel/errors.ts';
import { isTroupeError, TroupeError } from '../../src/kernel/errors.ts';

const one: readonly TroupeError[] = [
  new errors.NonRetryableError('x'),
  new errors.RetryAfterError('5m'),
  new errors.TaskFailedError('x', { id: 'a', attempts: 2 }),
  new errors.OverloadedError('x', { retryAfterMs: 10 }),
  new errors.InvalidInputError('x', { issues: [{ message: 'too long' }] }),
  new errors.TaskCancelledError('x'),
  new errors.DeadlineExceededError('x'),
  new errors.LimiterTimeoutError('x'),
  new errors.IdConflictError('x'),
  new errors.FencedError('x'),
  new errors.AmbiguousStepError('x'),
  new errors.UnknownTaskError('x'),
  new errors.NotFoundError('x'),
  new errors.ConfigurationError(['x', 'y']),
  new errors.TimeoutError('x'),
  new errors.ConflictError('x', { revision: 7 }),
  new errors.UnavailableError('x'),
  new errors.RefusedError('x'),
  new errors.PayloadTooLargeError('x'),
  new errors.RestartIntensityError('x'),
  new errors.UnexpectedMessageError('idle', 'finish'),
  new errors.MailboxFullError('x'),
  new errors.InvalidNameError('pool', 'a.b'),
  new errors.InvalidAnswerError('x'),
];

describe('every error of Troupe', () => {
  test.each(one)('$name has a code that its name follows from, and is recognised by it', (error) => {
    const words = error.code.split('_').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
    expect(error.name).toBe(`${words.join('')}Error`);
    expect(error).toBeInstanceOf(TroupeError);
    expect(isTroupeError(error)).toBe(true);
    expect(isTroupeError(error, error.code)).toBe(true);
    expect(isTroupeError(error, 'another')).toBe(false);
  });

  test.each(one)('$name is still recognised when only name, message and code are left of it', (error) => {
    const travelled: unknown = structuredClone(JSON.parse(JSON.stringify(summarise(error))));
    expect(isTroupeError(travelled, error.code)).toBe(true);
    expect(isTroupeError(revive(summarise(error)), error.code)).toBe(true);
  });

  test('has a code of its own', () => {
    expect(new Set(one.map(({ code }) => code)).size).toBe(one.length);
  });
});

describe('isTroupeError', () => {
  test('recognises an error of another copy of the package', () => {
    const foreign = Object.assign(new Error('x'), { [Symbol.for('troupe.error')]: true, code: 'not_yet_known' });
    expect(isTroupeError(foreign, 'not_yet_known')).toBe(true);
  });

  test.each([
    ['an error of Node', Object.assign(new Error('x'), { code: 'ENOENT' })],
    ['an error of a database', Object.assign(new Error('x'), { name: 'DatabaseError', code: '23505' })],
    ['a string', 'task_failed'],
    ['null', null],
    ['undefined', undefined],
  ])('takes %s for something else', (_, value) => {
    expect(isTroupeError(value)).toBe(false);
  });
});

describe('the details of an error', () => {
  test('a retry is after a duration or at a date, never both', () => {
    const at = new Date(Date.UTC(2026, 1, 3));
    expect(new errors.RetryAfterError('5m')).toMatchObject({ afterMs: 300_000, at: undefined, forget: [] });
    expect(new errors.RetryAfterError(at, { forget: ['fetch'] })).toMatchObject({
      at,
      afterMs: undefined,
      forget: ['fetch'],
    });
    expect(() => new errors.RetryAfterError(new Date(NaN))).toThrow(/is not a duration/);
  });

  test('a configuration error lists every mistake', () => {
    expect(new errors.ConfigurationError(['one', 'two']).message).toBe('invalid configuration\n  - one\n  - two');
  });

  test('the cause is kept, and absent where there is none', () => {
    const cause = new Error('root');
    expect(new errors.NonRetryableError('x', { cause }).cause).toBe(cause);
    expect('cause' in new errors.NonRetryableError('x')).toBe(false);
  });
});

describe('summarise', () => {
  const circular: { self?: unknown } = {};
  circular.self = circular;

  test.each([
    [new TypeError('no'), { name: 'TypeError', code: 'unknown', message: 'no' }],
    ['just text', { name: 'Error', code: 'unknown', message: 'just text' }],
    [{ a: 1 }, { name: 'Error', code: 'unknown', message: 'thrown: {"a":1}' }],
    [undefined, { name: 'Error', code: 'unknown', message: 'thrown: undefined' }],
    [circular, { name: 'Error', code: 'unknown', message: 'thrown: a value that cannot be shown' }],
  ])('makes something of whatever was thrown', (thrown, summary) => {
    expect(summarise(thrown)).toEqual(summary);
  });
});
