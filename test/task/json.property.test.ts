import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonical, decodeJson, throughJson } from '../../src/task/json.ts';
import { inputHash } from '../../src/task/message.ts';

/** What clients send: no number of theirs that JSON writes as more digits than it keeps, no name that is none. */
const forbidden = new Set(['__proto__', 'constructor', 'prototype']);
const number = fc.oneof(
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }),
  fc.double({ noNaN: true, noDefaultInfinity: true, min: 1e21 }),
);
const text = fc.string({ unit: 'grapheme' });
const { json } = fc.letrec((tie) => ({
  json: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.oneof(fc.constant(null), fc.boolean(), number, text),
    tie('list'),
    tie('object'),
  ),
  list: fc.array(tie('json'), { maxLength: 5 }),
  object: fc.dictionary(
    text.filter((key) => !forbidden.has(key)),
    tie('json'),
    { maxKeys: 5 },
  ),
}));

test('ordinary JSON passes unchanged, however it is laid out', () => {
  fc.assert(
    fc.property(json, fc.constantFrom(undefined, 2, '\t'), (value, indent) => {
      const written = JSON.stringify(value, undefined, indent);
      expect(decodeJson(new TextEncoder().encode(written))).toEqual({ type: 'json', value: JSON.parse(written) });
    }),
  );
});

test('any bytes are decoded or refused, never thrown at, and what is decoded is what JSON.parse says', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc
      .string({ unit: fc.constantFrom(...'[]{}",:\\u0d8eE+-.19 _'.split('')), maxLength: 40 })
      .map((each) => new TextEncoder().encode(each)),
  );
  fc.assert(
    fc.property(bytes, (input) => {
      const decoded = decodeJson(input);
      if (decoded.type === 'json') expect(decoded.value).toEqual(JSON.parse(new TextDecoder().decode(input)));
    }),
    { numRuns: 1_000 },
  );
});

test('a step’s value is the same on the first attempt and on every later one', () => {
  fc.assert(
    fc.property(
      fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withNullPrototype: true }),
      (value) => {
        let once: unknown;
        try {
          once = throughJson(value, 'it');
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError);
          return;
        }
        expect(throughJson(once, 'it')).toEqual(once);
        if (once !== undefined) expect(JSON.parse(JSON.stringify(once))).toEqual(once);
      },
    ),
  );
});

const shuffled = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, inner]) => [key, shuffled(inner)]),
  );
};

test('the hash of an input depends on its value alone, and on all of it', () => {
  fc.assert(
    fc.property(json, json, (a, b) => {
      const [first, second] = [JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b))];
      expect(inputHash(JSON.parse(JSON.stringify(shuffled(a))))).toBe(inputHash(first));
      expect(inputHash(first) === inputHash(second)).toBe(canonical(first) === canonical(second));
      expect(JSON.parse(canonical(first))).toEqual(first);
    }),
  );
});
