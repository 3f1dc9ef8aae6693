import type { StandardSchemaV1 } from '@standard-schema/spec';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { validate } from '../../src/app/schema.ts';
import { InvalidInputError } from '../../src/kernel/errors.ts';

const schema = <O>(
  validateValue: StandardSchemaV1<unknown, O>['~standard']['validate'],
): StandardSchemaV1<unknown, O> => ({
  '~standard': { version: 1, vendor: 'test', validate: validateValue },
});

const thrown = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('validate', () => {
  test('answers at once where the schema does', () => {
    expect(validate(z.object({ n: z.coerce.number() }), { n: '3' }, 'input')).toEqual({ n: 3 });
    expect(validate(v.optional(v.string(), 'x'), undefined, 'input')).toBe('x');
  });

  test('makes a promise only for a schema that waits', async () => {
    const slow = z.string().refine(async (text) => text.length > 1);
    const answer = validate(slow, 'ab', 'input');
    expect(answer).toBeInstanceOf(Promise);
    expect(await answer).toBe('ab');
    await expect(validate(slow, 'a', 'input of task "x"')).rejects.toThrow(InvalidInputError);
  });

  test('names the thing, the place and the issue, and hands the issues on', () => {
    const error = thrown(() =>
      validate(z.object({ to: z.object({ n: z.number() }) }), { to: { n: 'x' } }, 'input of task "mail"'),
    );
    expect(error).toBeInstanceOf(InvalidInputError);
    expect(error).toMatchObject({
      message: expect.stringMatching(/^input of task "mail": to\.n: .*number/),
      issues: [{ path: ['to', 'n'] }],
    });
  });

  test('understands the path of every Standard Schema library', () => {
    expect(() => validate(v.object({ a: v.array(v.number()) }), { a: [1, 'x'] }, 'input')).toThrow(/^input: a\.1: /);
  });

  test('tells a handful of issues and counts the rest', () => {
    const error = thrown(() =>
      validate(
        z.array(z.number()),
        Array.from({ length: 100_000 }, () => 'x'),
        'input',
      ),
    );
    expect(error).toMatchObject({ message: expect.stringMatching(/and 99995 more$/) });
    expect(String(error).length).toBeLessThan(1_000);
  });

  test('makes a bad input of what a schema throws, with the cause kept and its words withheld', () => {
    const cause = new RangeError('secret');
    const throws = schema(() => {
      throw cause;
    });
    const error = thrown(() => validate(throws, 1, 'input'));
    expect(error).toMatchObject({ code: 'invalid_input', message: 'input: its schema threw RangeError', cause });
  });

  test('makes a bad input of what a schema rejects with', async () => {
    await expect(
      validate(
        schema(() => Promise.reject(new TypeError('no'))),
        1,
        'input',
      ),
    ).rejects.toMatchObject({
      code: 'invalid_input',
      message: 'input: its schema threw TypeError',
    });
  });
});
