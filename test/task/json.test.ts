import { describe, expect, test } from 'vitest';
import { canonical, decodeJson, depthMax, inputBytesMax, nodesMax, throughJson } from '../../src/task/json.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
const within = (text: string, depth: number): string => '['.repeat(depth) + text + ']'.repeat(depth);
const keys = (count: number): string =>
  `{${Array.from({ length: count }, (_, at) => `"${at.toString(36)}":0`).join(',')}}`;

/** What must not get in, and what it is called. */
const bad: readonly (readonly [title: string, input: Uint8Array, reason: string])[] = [
  ['nothing at all', bytes(''), 'invalid_json'],
  ['only spaces', bytes('  \n'), 'invalid_json'],
  ['garbage', bytes('\u0001\u0002{'), 'invalid_json'],
  ['plain text', bytes('hello'), 'invalid_json'],
  ['a truncated object', bytes('{"a":'), 'invalid_json'],
  ['a truncated string', bytes('{"a":"b'), 'invalid_json'],
  ['a string that ends in a backslash', bytes('"a\\'), 'invalid_json'],
  ['two values', bytes('1 2'), 'invalid_json'],
  ['brackets closed too often', bytes('[]]'), 'invalid_json'],
  ['NaN', bytes('{"a":NaN}'), 'invalid_json'],
  ['Infinity', bytes('-Infinity'), 'invalid_json'],
  ['a number with a sign before it', bytes('+1'), 'invalid_json'],
  ['a number with two points', bytes('1.2.3'), 'invalid_json'],
  ['a comma too many', bytes('[1,]'), 'invalid_json'],
  ['single quotes', bytes("{'a':1}"), 'invalid_json'],
  ['a byte order mark', Uint8Array.of(0xef, 0xbb, 0xbf, ...bytes('{}')), 'invalid_json'],
  ['UTF-16', Uint8Array.from(Buffer.from('{}', 'utf16le')), 'invalid_json'],
  ['invalid UTF-8', Uint8Array.of(0x22, 0xff, 0xfe, 0x22), 'invalid_json'],
  ['an overlong encoding', Uint8Array.of(0x22, 0xc0, 0xaf, 0x22), 'invalid_json'],
  ['a surrogate encoded as if it were UTF-8', Uint8Array.of(0x22, 0xed, 0xa0, 0x80, 0x22), 'invalid_json'],
  ['half a surrogate pair', bytes('"\\ud800"'), 'unsafe_text'],
  ['the other half', bytes('{"a":["\\udc00x"]}'), 'unsafe_text'],
  ['half a pair in a key', bytes('{"\\ud83d":1}'), 'unsafe_text'],
  ['U+0000', bytes('{"a":"\\u0000"}'), 'unsafe_text'],
  ['U+0000 in a key', bytes('[{"a\\u0000":1}]'), 'unsafe_text'],
  ['U+0000 as it is', bytes('"a\u0000b"'), 'invalid_json'],
  ['a depth of 33', bytes(nested(depthMax + 1)), 'too_deep'],
  ['a depth of 50,000', bytes(nested(50_000)), 'too_deep'],
  ['a depth of 50,000 that is never closed', bytes('['.repeat(50_000)), 'too_deep'],
  ['objects in objects', bytes('{"a":'.repeat(100_000 / 2) + '1' + '}'.repeat(100_000 / 2)), 'payload_too_large'],
  ['a million keys', bytes(keys(1_000_000)), 'payload_too_large'],
  ['too many values', bytes(`[${'0,'.repeat(nodesMax + 1)}0]`), 'too_many_values'],
  ['one byte too many', bytes(`"${'x'.repeat(inputBytesMax - 1)}"`), 'payload_too_large'],
  ['2 MB', bytes(`"${'x'.repeat(2_000_000)}"`), 'payload_too_large'],
  ['__proto__', bytes('{"__proto__":{"admin":true}}'), 'forbidden_key'],
  ['constructor', bytes('{"constructor":1}'), 'forbidden_key'],
  ['prototype', bytes('{"a":{"prototype":null}}'), 'forbidden_key'],
  ['__proto__ at depth', bytes(within('{"a":{"__proto__":1}}', 30)), 'forbidden_key'],
  ['__proto__ in escapes', bytes('{"__\\u0070roto__":1}'), 'forbidden_key'],
  ['__proto__ wholly in escapes', bytes('{"\\u005f\\u005fproto\\u005F_":1}'), 'forbidden_key'],
  ['constructor in a list of objects', bytes('[[],[{"x":0,"constructor":{}}]]'), 'forbidden_key'],
  ['2^53 + 1', bytes('9007199254740993'), 'unsafe_number'],
  ['-(2^53 + 1)', bytes('{"id":-9007199254740993}'), 'unsafe_number'],
  ['1e400', bytes('1e400'), 'unsafe_number'],
  ['-1E400 in a list', bytes('[1,-1E400]'), 'unsafe_number'],
  ['a number of 400 digits', bytes('1'.repeat(400)), 'unsafe_number'],
  ['a number of 200,000 digits', bytes('1'.repeat(200_000)), 'unsafe_number'],
];

describe('input that must not get in', () => {
  test.each(bad)('%s', (_title, input, reason) => {
    const decoded = decodeJson(input);
    expect(decoded).toMatchObject({ type: 'bad', reason });
    // The message goes to a log line and to the submitter: short, and without the input.
    if (decoded.type === 'bad') expect(decoded.message.length).toBeLessThan(200);
  });
});

/** What looks like it, and is ordinary. */
const good: readonly (readonly [title: string, text: string])[] = [
  ['null', 'null'],
  ['the deepest that is taken', nested(depthMax)],
  ['the longest that is taken', `"${'x'.repeat(inputBytesMax - 2)}"`],
  ['as many values as are taken', `[${'0,'.repeat(nodesMax - 1)}0]`],
  ['brackets in text', `"${'['.repeat(1_000)}"`],
  ['commas and digits in text', '"1e400, 9007199254740993"'],
  ['escaped quotes before brackets', '{"a":"\\"[[[[[","b":"\\\\"}'],
  ['a value that is called constructor', '{"kind":"constructor","of":["__proto__","prototype"]}'],
  ['a key that only begins like it', '{"constructors":1,"__proto":2}'],
  ['a whole surrogate pair', '"\\ud83d\\ude00"'],
  ['control characters in escapes', '"\\u0001\\n\\t"'],
  ['the largest exact integer', '9007199254740991'],
  ['the least exact integer', '[-9007199254740991]'],
  ['a long fraction', '0.1234567890123456789'],
  ['a large number that JSON writes itself', JSON.stringify(1e21)],
  ['the largest number', JSON.stringify(Number.MAX_VALUE)],
  ['the smallest number', JSON.stringify(Number.MIN_VALUE)],
  ['what rounds to nothing', '1e-400'],
  ['minus nothing', '-0'],
  ['the same key twice: the last one counts', '{"id":1,"id":2}'],
  ['spaces around', ' \n{ "a" : [ 1 , 2 ] } '],
];

test.each([
  ['{"key": "hunter2",}', 'no JSON: Expected double-quoted property name in JSON at position 18 (line 1 column 19)'],
  ['{key: "hunter2"}', "no JSON: Expected property name or '}' in JSON at position 1 (line 1 column 2)"],
  ['{"key": hunter2}', "no JSON: Unexpected token 'h', …"],
  [`${'hunter2, '.repeat(20)}`, "no JSON: Unexpected token 'h', …"],
  ['{"key": "hunter2"', "no JSON: Expected ',' or '}' after property value in JSON at position 17 (line 1 column 18)"],
])('what is wrong with %s is said, and where, and nothing of what it holds', (text, message) => {
  expect(decodeJson(bytes(text))).toEqual({ type: 'bad', reason: 'invalid_json', message });
});

describe('input that is taken as JSON has it', () => {
  test.each(good)('%s', (_title, text) => {
    expect(decodeJson(bytes(text))).toEqual({ type: 'json', value: JSON.parse(text) });
  });
});

describe('a value of the user’s making', () => {
  const circular: { self?: unknown } = {};
  circular.self = circular;
  let deep: unknown = 1;
  for (let depth = 0; depth < 50_000; depth += 1) deep = [deep];
  const lies = {
    toJSON: () => {
      throw new Error('not today');
    },
  };

  test.each<readonly [string, unknown]>([
    ['NaN', NaN],
    ['an infinity inside', { a: [1, { b: Infinity }] }],
    ['a BigInt', 1n],
    ['a BigInt inside', [1n]],
    ['a cycle', circular],
    ['a depth of 50,000', deep],
    [
      'NaN below a hundred levels',
      JSON.parse(within('{}', 150), (_key, value) => (Array.isArray(value) ? value : { n: NaN })),
    ],
    ['something whose toJSON throws', lies],
  ])('that is no JSON is a TypeError: %s', (_title, value) => {
    expect(() => throughJson(value, 'the result of step "a"')).toThrow(TypeError);
    expect(() => throughJson(value, 'the result of step "a"')).toThrow('the result of step "a"');
  });

  test.each<readonly [string, unknown, unknown]>([
    ['undefined', undefined, undefined],
    ['null', null, null],
    ['a date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['a Map', new Map([['a', 1]]), {}],
    ['a function', () => 1, undefined],
    ['a symbol', Symbol('a'), undefined],
    ['undefined members', { a: undefined, b: [undefined], c: null }, { b: [null], c: null }],
    ['half a surrogate pair', 'Hey \ud83d', 'Hey \ufffd'],
    [
      'half a pair inside, and in a key',
      { 'a\ud83d': ['\ude00', '😀', '\\ud83d'] },
      { 'a\ufffd': ['\ufffd', '😀', '\\ud83d'] },
    ],
    ['U+0000', { text: 'a\0b', tab: '\t\u0001' }, { text: 'a\ufffdb', tab: '\t\u0001' }],
    ['what says itself what it is', { toJSON: () => ({ is: 1, not: null }), n: NaN }, { is: 1, not: null }],
  ])('comes back as JSON has it: %s', (_title, value, json) => {
    expect(throughJson(value, 'it')).toEqual(json);
  });
});

test('a value has one text, whatever the order of its keys', () => {
  expect(canonical({ b: [1, { d: null, c: 'x' }], a: -0 })).toBe('{"a":0,"b":[1,{"c":"x","d":null}]}');
  expect(canonical({ a: 0, b: [1, { c: 'x', d: null }] })).toBe('{"a":0,"b":[1,{"c":"x","d":null}]}');
  // Objects keep their numbers first, and in the order of numbers: it is that of text all the same.
  expect(canonical({ 9: 0, 10: 0, a: 0 })).toBe('{"10":0,"9":0,"a":0}');
  expect(canonical([{ 9: 0, '!': 0 }])).toBe('[{"!":0,"9":0}]');
});
