import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { redact, scrub } from '../../src/kernel/redact.ts';

const canary = 'c4n4ryc4n4ryc4n4ry';

describe('text', () => {
  test.each([
    `nats://user:${canary}@127.0.0.1:4222`,
    `postgres://${canary}@db/app`,
    `Authorization: Bearer ${canary}`,
    `the key sk-${canary} is wrong`,
    `sk-proj-${canary}`,
    `ghp_${canary}`,
    `xoxb-${canary}`,
    `password=${canary}`,
    `{"password": "${canary}"}`,
    `https://api.example.com/?api_key=${canary}&a=1`,
    `token: ${canary}`,
    `eyJhbGciOiJIUzI1NiJ9.${canary}.${canary}`,
  ])('%s loses its secret', (text) => {
    expect(scrub(text)).not.toContain(canary);
    expect(scrub(text)).toContain('[redacted]');
  });

  test.each([
    'postgres://127.0.0.1:5432/app',
    'task summarise.42 completed in 12 ms',
    'mail to a@example.com',
    'inputTokens 512, outputTokens 10',
    'sk-short',
    'Basic authentication failed',
  ])('%s stays as it is', (text) => {
    expect(scrub(text)).toBe(text);
  });

  test('of any length is cut to a bounded one', () => {
    expect(scrub('x'.repeat(1_000_000))).toHaveLength(4_096 + '… (1000000 characters)'.length);
  });

  test('that is made to slow patterns down takes no time', () => {
    for (const unit of ['a', 'a.', '://', 'sk-', 'eyJ', 'Bearer ', 'password', '@', ' ']) {
      const startedMs = performance.now();
      scrub(unit.repeat(2_000_000 / unit.length));
      expect(performance.now() - startedMs).toBeLessThan(250);
    }
  });
});

describe('fields', () => {
  test.each(['authorization', 'Password', 'apiKey', 'api_key', 'accessToken', 'client_secret', 'cookie', 'Set-Cookie'])(
    'called %s are hidden, wherever they are',
    (name) => {
      expect(JSON.stringify(redact({ deep: [{ [name]: canary }] }))).toBe(`{"deep":[{"${name}":"[redacted]"}]}`);
    },
  );

  test('that count tokens are not', () => {
    expect(redact({ inputTokens: 5, tokens: 7, maxToken: true })).toEqual({
      inputTokens: 5,
      tokens: 7,
      maxToken: true,
    });
  });

  test('of an error are kept with its causes, without secrets', () => {
    const error = new Error(`no route to nats://u:${canary}@h`, {
      cause: Object.assign(new TypeError('root'), { token: canary }),
    });
    const shown = redact(error);
    expect(shown).toMatchObject({ type: 'Error', cause: { type: 'TypeError', message: 'root', token: '[redacted]' } });
    expect(JSON.stringify(shown)).not.toContain(canary);
  });

  test('that cannot be read, or go too deep, are named instead', () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const throwing = Object.defineProperty({}, 'x', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    expect(JSON.stringify(redact(circular))).toContain('[deeper]');
    expect(redact({ throwing })).toEqual({ throwing: '[unreadable]' });
    expect(redact({ at: new URL('nats://u:p@h/') })).toEqual({ at: 'nats://[redacted]@h/' });
    expect(redact({ bytes: Buffer.from('abc'), big: 5n, fn: () => 1, bad: new Date(NaN) })).toEqual({
      bytes: '[3 bytes]',
      big: '5',
      fn: '[function]',
      bad: 'Invalid Date',
    });
  });

  test('of any kind come out as JSON, and nothing is thrown', () => {
    fc.assert(fc.property(fc.anything(), (value) => typeof JSON.stringify({ value: redact(value) }) === 'string'));
  });
});
