import { describe, expect, test } from 'vitest';
import {
  IdConflictError,
  InvalidInputError,
  InvalidNameError,
  NotFoundError,
  OverloadedError,
  PayloadTooLargeError,
  TimeoutError,
  UnavailableError,
  UnknownTaskError,
} from '../../src/kernel/errors.ts';
import { BadInputError, errorOfProblem, problem, problemOf, statusOfProblem } from '../../src/task/problem.ts';

describe('an error on its way to a client', () => {
  test.each([
    [new InvalidInputError('no', { issues: [{ message: 'wrong', path: ['a', { key: 0 }] }] }), 400],
    [new BadInputError('no', 'invalid_json'), 400],
    [new InvalidNameError('id', 'a b'), 400],
    [new PayloadTooLargeError('no'), 413],
    [new UnknownTaskError('no'), 404],
    [new NotFoundError('no'), 404],
    [new IdConflictError('no'), 409],
    [new OverloadedError('no', { retryAfterMs: 1_500 }), 429],
    [new UnavailableError('no'), 503],
    [new TimeoutError('no'), 504],
  ])('%s has status %i, and comes out as what went in', (error, status) => {
    const sent = problem.parse(JSON.parse(JSON.stringify(problemOf(error))));
    expect(statusOfProblem(sent)).toBe(status);
    expect(errorOfProblem(sent)).toMatchObject({ code: error.code, message: error.message });
    if (error instanceof OverloadedError) expect(errorOfProblem(sent)).toMatchObject({ retryAfterMs: 1_500 });
    if (error instanceof InvalidInputError) expect(errorOfProblem(sent)).toBeInstanceOf(InvalidInputError);
  });

  test('keeps its issues, in bounds', () => {
    const issues = Array.from({ length: 1_000 }, (_, index) => ({ message: 'm'.repeat(1_000), path: ['a', index] }));
    const sent = problemOf(new InvalidInputError('no', { issues }));
    expect(sent.issues).toHaveLength(20);
    expect(sent.issues?.[3]).toEqual({ message: 'm'.repeat(200), path: ['a', 3] });
    expect(JSON.stringify(sent).length).toBeLessThan(8_192);
  });

  test('says nothing of what is none of our own, and no secret of what is', () => {
    expect(problemOf(new Error('at /home/me: password=hunter22'))).toMatchObject({ code: 'internal' });
    expect(JSON.stringify(problemOf(new Error('password=hunter22')))).not.toContain('hunter22');
    expect(problemOf('thrown')).toMatchObject({ code: 'internal' });
    expect(problemOf(new UnavailableError('no nats://user:hunter22@host')).message).not.toContain('hunter22');
  });
});
