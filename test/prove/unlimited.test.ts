import { expect, test } from 'vitest';
import { proved } from './proved.ts';

test('the proof objects to a limiter that there is one of in each process', { timeout: 60_000 }, async () => {
  const limiter = new URL('replicated.ts', import.meta.url).href;
  const { proof } = await proved('--window', '1s', '--minutes', '0.14', '--faults', 'none', '--limiter', limiter);
  expect(proof.passed).toBe(false);
  expect(proof.objections.join('\n')).toMatch(/over the limit: \d+ requests arrived in the 1000 ms/);
  expect(proof.objections.join('\n')).toMatch(/the provider answered 429 to \d+/);
});
