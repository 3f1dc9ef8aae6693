import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { didYouMean } from '../../src/app/suggest.ts';

describe('didYouMean', () => {
  test('offers the nearest name', () => {
    expect(didYouMean('documnets', ['default', 'documents', 'bulk'])).toBe('; did you mean "documents"?');
    expect(didYouMean('Bulk', ['default', 'bulk'])).toBe('; did you mean "bulk"?');
  });

  test('offers nothing where nothing is near', () => {
    expect(didYouMean('chat', ['default', 'documents'])).toBe('');
    expect(didYouMean('x', [])).toBe('');
    expect(didYouMean('a'.repeat(100_000), ['a'])).toBe('');
  });

  test('finds every name again after one slip', () => {
    const name = fc.stringMatching(/^[a-z]{4,20}$/);
    fc.assert(
      fc.property(name, fc.nat(), fc.constantFrom('drop', 'double', 'swap'), (word, at, slip) => {
        const i = at % (word.length - 1);
        const [a = '', b = ''] = word.slice(i, i + 2);
        const middle = slip === 'drop' ? a : slip === 'double' ? a + a + b : b + a;
        expect(didYouMean(word.slice(0, i) + middle + word.slice(i + 2), [word])).toContain(`"${word}"`);
      }),
    );
  });
});
