import fc from 'fast-check';
import { expect, test } from 'vitest';
import { headerEncoder, parseHeaders } from '../../../src/bus/nats/headers.ts';

const name = fc.stringMatching(/^[!-9;-~]{1,20}$/);
const value = fc.string({ unit: 'grapheme' }).filter((text) => !/[\r\n\0]/.test(text) && text.isWellFormed());
const headers = fc.dictionary(name, value, { noNullPrototype: false });

const textOf = (encoded: ReturnType<ReturnType<typeof headerEncoder>>): string =>
  encoded ? new TextDecoder().decode((encoded as unknown as { encode(): Uint8Array }).encode()) : '\r\n';

test('what is encoded is what is read, but for space around values', () => {
  const encode = headerEncoder();
  fc.assert(
    fc.property(headers, fc.boolean(), (written, frozen) => {
      if (frozen) Object.freeze(written);
      const trimmed = Object.entries(written).map(([key, text]) => [key, text.trim()]);
      for (let times = 0; times < 2; times += 1) {
        expect(Object.entries(parseHeaders(textOf(encode(written))))).toEqual(trimmed);
      }
    }),
  );
});

test('whatever arrives is read without an error', () => {
  fc.assert(fc.property(fc.string(), (block) => void parseHeaders(`NATS/1.0\r\n${block}`)));
});

test('added lines go along, and reserved names stay behind', () => {
  const encode = headerEncoder(/^nats-/i);
  const block = textOf(encode({ a: '1', 'NATS-x': '2' }, 'Nats-TTL: 1s\r\n'));
  expect({ ...parseHeaders(block) }).toEqual({ a: '1', 'Nats-TTL': '1s' });
  expect(encode({ 'Nats-x': '2' })).toBeUndefined();
  expect(encode(undefined)).toBeUndefined();
});

test('one frozen record is encoded once', () => {
  const encode = headerEncoder();
  const frozen = Object.freeze({ a: '1' });
  expect(encode(frozen)).toBe(encode(frozen));
});
