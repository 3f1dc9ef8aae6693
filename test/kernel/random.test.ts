import { describe, expect, test } from 'vitest';
import { seededRandom, systemRandom } from '../../src/kernel/random.ts';

describe.each([
  ['the system’s', systemRandom],
  ['a seeded', seededRandom(42)],
])('%s random', (_, random) => {
  const many = Array.from({ length: 2_000 });

  test('makes ids of 22 characters that a subject takes, each once', () => {
    const ids = many.map(() => random.id());
    expect(ids.every((id) => /^[\w-]{22}$/.test(id))).toBe(true);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('makes short nonces, each once', () => {
    const nonces = many.map(() => random.nonce());
    expect(nonces.every((nonce) => /^[\w-]{11,16}$/.test(nonce))).toBe(true);
    expect(new Set(nonces).size).toBe(nonces.length);
  });

  test('draws evenly from 0 to 1', () => {
    const draws = many.map(() => random.next());
    expect(draws.every((draw) => draw >= 0 && draw < 1)).toBe(true);
    const mean = draws.reduce((sum, draw) => sum + draw, 0) / draws.length;
    expect(mean).toBeGreaterThan(0.45);
    expect(mean).toBeLessThan(0.55);
  });
});

test('the same seed gives the same sequence, another seed another', () => {
  const draw = (seed: number): readonly unknown[] => {
    const random = seededRandom(seed);
    return [random.next(), random.id(), random.nonce(), random.next()];
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});
