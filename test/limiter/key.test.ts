import { expect, test } from 'vitest';
import { decodeKey, encodeKey, type LimiterKey } from '../../src/limiter/granting/key.ts';
import { bytes } from '../contract/world.ts';

const amount = { requests: 10, tokens: 4_000, inputTokens: 0, outputTokens: 0.5 };
const key: LimiterKey = {
  w: 'nonce',
  epoch: 3,
  node: 'n1',
  closedMs: 0,
  slices: [{ n: 7, amount, active: 2, holdMs: 600_000 }],
};

test('what a limiter wrote is read as it was', () => {
  expect(decodeKey(encodeKey(key))).toEqual(key);
});

const slices = '[[7,10,4000,0,0,2,600000]]';
const written = (each: string): string => `{"v":1,"w":"","epoch":1,"node":"n","closedMs":0,"slices":${each}}`;

test.each([
  ['no JSON', '{'],
  ['another version', written(slices).replace('"v":1', '"v":2')],
  ['no list of slices', written('{}')],
  ['a slice that is no list', written('[7]')],
  ['too few numbers', written('[[7,10,4000,0,0,2]]')],
  ['too many numbers', written('[[7,10,4000,0,0,2,600000,1]]')],
  ['a number that is a text', written('[[7,"10",4000,0,0,2,600000]]')],
  ['nothing for a number', written('[[7,null,4000,0,0,2,600000]]')],
  ['less than nothing', written('[[7,-1,4000,0,0,2,600000]]')],
  ['more than any number', written('[[7,1e999,4000,0,0,2,600000]]')],
  ['half a slice number', written('[[7.5,10,4000,0,0,2,600000]]')],
])('what no limiter wrote is none: %s', (_what, text) => {
  expect(decodeKey(bytes(written(slices)))).toBeDefined();
  expect(decodeKey(bytes(text))).toBeUndefined();
});
