import { expect, test } from 'vitest';
import { parseTtl } from '../../src/kv/bucket.ts';

test('a time to live is read as the server and `nats` write it', () => {
  const written = { '90': 90_000, '90s': 90_000, '1m30s': 90_000, '1.5s': 1_500, '1h': 3_600_000, '1500ms': 1_500 };
  for (const [ttl, ms] of Object.entries(written)) expect(parseTtl(ttl)).toBe(ms);
});

test('what never ends, or is no time, is none', () => {
  for (const ttl of [undefined, 'never', '', '1d', 's', '-1s', '1s ']) expect(parseTtl(ttl)).toBeUndefined();
});
