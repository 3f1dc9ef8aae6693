import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isSubject, matcher, matches, overlaps } from '../../../src/bus/memory/matching.ts';

const token = fc.constantFrom('a', 'b', 'c');
const subject = fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join('.'));
const filter = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 3 }), fc.constantFrom('>', 'c', '*'))
  .map(([tokens, last]) => [...tokens, last].join('.'));

/** The rule as one would write it for people. */
const asRegExp = (of: string): RegExp =>
  new RegExp(`^${of.replaceAll('.', '\\.').replaceAll('*', '[^.]+').replaceAll('>', '.+')}$`);

test('a filter matches the subjects that its wildcards stand for', () => {
  fc.assert(fc.property(filter, subject, (f, s) => matches(f, s) === asRegExp(f).test(s)));
});

test('filters overlap if and only if some subject matches both', () => {
  const all = fc.sample(subject, 2_000);
  fc.assert(
    fc.property(filter, filter, (a, b) => {
      const both = all.some((s) => matches(a, s) && matches(b, s));
      return overlaps(a, b) === overlaps(b, a) && (!both || overlaps(a, b));
    }),
  );
  expect([overlaps('a.*', 'a.b'), overlaps('a.>', 'a'), overlaps('*.b', 'a.c'), overlaps('>', 'x.y')]).toEqual([
    true,
    false,
    false,
    true,
  ]);
});

test('of several filters one is enough', () => {
  const match = matcher(['a.*', 'b.>']);
  expect(['a.x', 'b.x.y', 'a.x.y', 'c'].map(match)).toEqual([true, true, false, false]);
});

test('wildcards, spaces and empty tokens are no subjects to publish to', () => {
  expect(['a', 'a.b-c_d', '$KV.b.=x', '', 'a.', '.a', 'a..b', 'a b', 'a.*', '>'].map(isSubject)).toEqual([
    ...[true, true, true],
    ...Array.from({ length: 7 }, () => false),
  ]);
});
