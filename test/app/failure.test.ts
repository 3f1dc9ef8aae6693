import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { failureOf, outcomeOf } from '../../src/app/failure.ts';
import {
  AmbiguousStepError,
  IdConflictError,
  InvalidInputError,
  NonRetryableError,
  OverloadedError,
  PayloadTooLargeError,
  RetryAfterError,
  TimeoutError,
  TroupeError,
  UnavailableError,
  UnknownTaskError,
} from '../../src/kernel/errors.ts';

const now = Date.UTC(2026, 0, 1);

const provider = (statusCode: number): Error =>
  Object.assign(new Error(`the provider says ${statusCode}`), { name: 'AI_APICallError', statusCode });

describe('what no further attempt would change', () => {
  test.each<readonly [string, unknown]>([
    ['the handler’s own word', new NonRetryableError('never')],
    [
      'the same of another copy of the package',
      Object.assign(new Error('x'), { name: 'NonRetryableError', code: 'non_retryable' }),
    ],
    ['invalid input', new InvalidInputError('no')],
    ['two steps of one name', new AmbiguousStepError('twice')],
    ['a value that is too large', new PayloadTooLargeError('large')],
    ['an id that is taken', new IdConflictError('taken')],
    ['a task that there is not', new UnknownTaskError('none')],
    ...[400, 401, 403, 404, 413, 422].map((status) => [`a provider’s ${status}`, provider(status)] as const),
  ])('%s', (_title, error) => {
    expect(outcomeOf(error, now).type).toBe('rejected');
  });
});

describe('what is worth another attempt', () => {
  test.each<readonly [string, unknown]>([
    ['any error', new Error('boom')],
    ['a time that ran out', new TimeoutError('late')],
    ['a connection that is gone', new UnavailableError('gone')],
    ['a queue that is full', new OverloadedError('full', { retryAfterMs: 5 })],
    ['an error of the system', Object.assign(new Error('reset'), { code: 'ECONNRESET' })],
    ['a code of somebody else’s that looks like ours', Object.assign(new Error('x'), { code: 'invalid_input' })],
    ...[408, 409, 429, 500, 503, 529].map((status) => [`a provider’s ${status}`, provider(status)] as const),
    ['a 400 that is no provider’s', Object.assign(new Error('x'), { statusCode: 400 })],
    ['text', 'boom'],
    ['nothing', undefined],
  ])('%s', (_title, error) => {
    expect(outcomeOf(error, now)).toMatchObject({ type: 'failed' });
  });

  test('after the time that the handler asks for, without the steps that it wants forgotten', () => {
    const after = new RetryAfterError('10s', { forget: ['fetch'] });
    expect(outcomeOf(after, now)).toMatchObject({ type: 'failed', retryAfterMs: 10_000, forget: ['fetch'] });
    expect(outcomeOf(new RetryAfterError(new Date(now + 700)), now)).toMatchObject({ retryAfterMs: 700, forget: [] });
    expect(outcomeOf(new RetryAfterError(new Date(now - 700)), now)).toMatchObject({ retryAfterMs: 0 });
  });
});

describe('what is told of it', () => {
  test('code, message and stack, cut and without secrets', () => {
    const error = new TroupeError('token=abcdef123 was refused', { code: 'my_code' });
    expect(failureOf(error)).toMatchObject({ code: 'my_code', message: 'token=[redacted] was refused' });
    expect(failureOf(new Error('x'.repeat(10_000))).message.length).toBeLessThanOrEqual(2_000);
    expect(failureOf(new Error('x'.repeat(10_000))).stack?.length).toBeLessThanOrEqual(4_000);
    expect(failureOf(Object.assign(new Error('x'), { code: 'c'.repeat(100) })).code).toHaveLength(64);
    expect(failureOf(new TypeError(''))).toMatchObject({ code: 'error', message: 'TypeError' });
  });

  test('of what is no error, that it is none', () => {
    expect(failureOf('boom')).toEqual({ code: 'thrown', message: 'string was thrown, which is no Error: "boom"' });
    expect(failureOf({ a: 1 }).message).toBe('object was thrown, which is no Error: {"a":1}');
    expect(failureOf(Symbol('s')).message).toContain('Symbol(s)');
  });

  test('something, whatever was thrown', () => {
    const trap = (): never => {
      throw new Error('trapped');
    };
    const circular: { self?: unknown } = {};
    circular.self = circular;
    const hostile: readonly unknown[] = [
      new Proxy({}, { get: trap, has: trap, getPrototypeOf: trap }),
      new Proxy(new Error('x'), { get: trap, has: trap }),
      Object.defineProperty(new Error('x'), 'message', { get: trap }),
      Object.defineProperty(new Error('x'), 'code', { get: trap }),
      Object.assign(new Error('x'), { message: 7, stack: { not: 'text' }, name: null }),
      Object.assign(new Error('x'), { message: Symbol('m') }),
      Object.create(null),
      { toJSON: trap },
      circular,
      1n,
    ];
    for (const error of hostile)
      expect(outcomeOf(error, now)).toMatchObject({ type: 'failed', error: { code: expect.any(String) } });
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withNullPrototype: true, withSparseArray: true }), (thrown) => {
        const outcome = outcomeOf(thrown, now);
        expect(outcome).toMatchObject({ error: { code: 'thrown', message: expect.any(String) } });
        expect(JSON.parse(JSON.stringify(outcome))).toMatchObject({ type: outcome.type });
      }),
    );
  });
});
