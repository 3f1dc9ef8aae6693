import fc from 'fast-check';
import { expect, test } from 'vitest';
import { numbered } from '../../src/kernel/numbered.ts';

test('a value is found under its number until it is removed, and its number is nobody else’s ever', () => {
  const steps = fc.array(fc.oneof(fc.constant('add' as const), fc.nat({ max: 500 })), { maxLength: 1_000 });
  fc.assert(
    fc.property(steps, (all) => {
      const values = numbered<{ readonly given: number }>();
      const model = new Map<number, { readonly given: number }>();
      let given = 0;
      for (const step of all) {
        if (step === 'add') {
          const value = { given: given++ };
          const number = values.add(value);
          expect(model.has(number)).toBe(false);
          model.set(number, value);
        } else {
          const number = [...model.keys()][step] ?? step;
          expect(values.remove(number)).toBe(model.get(number));
          model.delete(number);
          expect(values.get(number)).toBe(undefined);
        }
        expect(values.size()).toBe(model.size);
      }
      expect(new Map(values.entries())).toEqual(model);
      expect(new Set(values.values())).toEqual(new Set(model.values()));
      for (const [number, value] of model) expect(values.get(number)).toBe(value);
    }),
  );
});

test('one that stays keeps its number while many thousands come and go', () => {
  const values = numbered<{ readonly name: string }>();
  const first = values.add({ name: 'first' });
  const seen = new Set([first]);
  for (let index = 0; index < 5_000; index++) {
    const number = values.add({ name: `passing ${index}` });
    expect(seen.has(number)).toBe(false);
    seen.add(number);
    values.remove(number);
  }
  expect([values.get(first), values.size()]).toEqual([{ name: 'first' }, 1]);
});

test('what is no number of one is nobody’s', () => {
  const values = numbered<{ readonly name: string }>();
  values.add({ name: 'zero' });
  for (const number of [Number.NaN, -1, 0.5, 64, Number.MAX_SAFE_INTEGER, Number.POSITIVE_INFINITY])
    expect([values.get(number), values.remove(number)]).toEqual([undefined, undefined]);
  expect(values.size()).toBe(1);
});
