/**
 * JSON as it may come from anybody. `JSON.parse` takes what would hurt later: a million levels that overflow the next
 * `stringify`, `__proto__` as a key, numbers that round, text that Postgres refuses. One pass over the bytes finds
 * what makes a closer look necessary, so that ordinary input pays for little more than the parse.
 */
import type { Json } from './record.ts';

export const inputBytesMax = 256 * 1024;
export const depthMax = 32;
export const nodesMax = 100_000;

export type BadJson =
  | 'invalid_json'
  | 'payload_too_large'
  | 'too_deep'
  | 'too_many_values'
  | 'unsafe_number'
  | 'unsafe_text'
  | 'forbidden_key';

export type Decoded =
  | { readonly type: 'json'; readonly value: Json }
  | { readonly type: 'bad'; readonly reason: BadJson; readonly message: string };

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const forbidden = new Set(['__proto__', 'constructor', 'prototype']);
const suspicious = /\\u|__proto__|constructor|prototype/;

const bad = (reason: BadJson, message: string): Decoded => ({ type: 'bad', reason, message });

/** `text`: what the bytes say in UTF-8, where that is at hand. */
export const decodeJson = (bytes: Uint8Array, text?: string): Decoded => {
  if (bytes.length > inputBytesMax)
    return bad(
      'payload_too_large',
      `${bytes.length} bytes; at most ${inputBytesMax} are taken: put the rest where the task can fetch it`,
    );
  if (bytes.length === 0) return bad('invalid_json', 'the body is empty; send JSON, null at least');
  const shape = scan(bytes);
  if (shape) return shape;
  try {
    const said = text ?? decoder.decode(bytes);
    const value: Json = JSON.parse(said);
    return (suspicious.test(said) && walk(value)) || { type: 'json', value };
  } catch (error) {
    return bad('invalid_json', error instanceof SyntaxError ? `no JSON: ${shortened(error.message)}` : 'no UTF-8');
  }
};

/** What the parser says without what it quotes of the input; where it tells a place, it quotes none. */
const shortened = (message: string): string =>
  message.includes(' in JSON at position ') ? message : message.replace(/, (?:\.\.\.)?".*$/s, ', …');

const quote = 0x22;
const backslash = 0x5c;

/** Depth, count and numbers, from the bytes: the answer if one of them is bad. */
const scan = (bytes: Uint8Array): Decoded | undefined => {
  let depth = 0;
  let nodes = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === quote) at = endOfString(bytes, at);
    else if (byte === 0x7b || byte === 0x5b) {
      if (++depth > depthMax) return bad('too_deep', `nested deeper than ${depthMax} levels`);
    } else if (byte === 0x7d || byte === 0x5d) depth--;
    else if (byte === 0x2c) {
      if (++nodes > nodesMax) return bad('too_many_values', `more than ${nodesMax} values`);
    } else if (isDigit(byte)) {
      const end = endOfNumber(bytes, at);
      if (end - at > 14 && !exact(bytes, at, end)) return unsafeNumber;
      if (end - at <= 14 && hasExponent(bytes, at, end) && !exact(bytes, at, end)) return unsafeNumber;
      at = end - 1;
    }
  }
  return undefined;
};

const unsafeNumber = bad('unsafe_number', 'a number that is not kept exactly or not finite: send it as a string');

const endOfString = (bytes: Uint8Array, start: number): number => {
  let end = bytes.indexOf(quote, start + 1);
  while (end !== -1 && isEscaped(bytes, end)) end = bytes.indexOf(quote, end + 1);
  return end === -1 ? bytes.length : end;
};

const isEscaped = (bytes: Uint8Array, at: number): boolean => {
  let before = at;
  while (bytes[before - 1] === backslash) before--;
  return (at - before) % 2 === 1;
};

const isDigit = (byte: number | undefined): boolean => byte !== undefined && byte >= 0x30 && byte <= 0x39;
const isExponent = (byte: number | undefined): boolean => byte === 0x65 || byte === 0x45;

const endOfNumber = (bytes: Uint8Array, start: number): number => {
  let at = start + 1;
  for (; at < bytes.length; at++) {
    const byte = bytes[at];
    if (!isDigit(byte) && !isExponent(byte) && byte !== 0x2e && byte !== 0x2b && byte !== 0x2d) break;
  }
  return at;
};

const hasExponent = (bytes: Uint8Array, start: number, end: number): boolean => {
  for (let at = start; at < end; at++) if (isExponent(bytes[at])) return true;
  return false;
};

const exact = (bytes: Uint8Array, start: number, end: number): boolean => {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
  const value = Number(text);
  return Number.isFinite(value) && (!/^\d+$/.test(text) || Number.isSafeInteger(value));
};

/** Keys and text, from the values. */
const walk = (value: Json): Decoded | undefined => {
  if (typeof value === 'string') return badText(value);
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    if (!Array.isArray(value) && forbidden.has(key))
      return bad('forbidden_key', `"${key}" is no key: it would change what the object is`);
    const found = badText(key) ?? walk(inner);
    if (found) return found;
  }
  return undefined;
};

const badText = (text: string): Decoded | undefined =>
  text.includes('\u0000') || !text.isWellFormed()
    ? bad('unsafe_text', 'text with U+0000 or half a surrogate pair, which no database keeps')
    : undefined;

/** U+0000 and halves of surrogate pairs, as `JSON.stringify` writes them: all that is escaped so is one of them. */
const unsafeEscape = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g;

/**
 * The same JSON with U+FFFD, the replacement character, for what no database keeps. Text that a handler has cut anywhere may
 * end in half a pair.
 */
export const storable = (text: string): string =>
  text.includes('\\u') ? text.replace(unsafeEscape, '$1\\ufffd') : text;

/** The same for a text of its own. */
export const storableText = (text: string): string => text.toWellFormed().replaceAll('\0', '\ufffd');

/**
 * A value of the user's making as JSON gives it back, and a database keeps it. Throws `TypeError` for what JSON would change
 * without a word (NaN and infinities become null) or cannot hold (BigInt, cycles).
 */
export const throughJson = (value: unknown, what: string): Json | undefined => {
  if (value === undefined || value === null || typeof value === 'boolean') return value;
  if (typeof value === 'string') return storableText(value);
  try {
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined) return undefined;
    // Whatever becomes null is looked at again: it may have been no null before.
    if (text.includes('null')) JSON.stringify(value, refuseNonFinite);
    return JSON.parse(storable(text));
  } catch (cause) {
    throw new TypeError(`${what} is no JSON: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
};

const refuseNonFinite = (_key: string, value: unknown): unknown => {
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new TypeError(`it holds ${value}, which JSON makes null`);
  return value;
};

/** The same text for the same value, whatever the order of its keys. */
export const canonical = (value: Json): string => (isOrdered(value) ? JSON.stringify(value) : ordered(value));

/** Whether the keys of all its objects are in their order already. */
const isOrdered = (value: Json): boolean => {
  if (typeof value !== 'object' || value === null) return true;
  if (isList(value)) return value.every(isOrdered);
  let before: string | undefined;
  for (const key in value) {
    const inner = value[key];
    if ((before !== undefined && before > key) || (inner !== undefined && !isOrdered(inner))) return false;
    before = key;
  }
  return true;
};

const ordered = (value: Json): string => {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (isList(value)) return `[${value.map(ordered).join(',')}]`;
  const members = Object.entries(value)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inner]) => `${JSON.stringify(key)}:${ordered(inner)}`);
  return `{${members.join(',')}}`;
};

const isList = (value: Json): value is readonly Json[] => Array.isArray(value);
