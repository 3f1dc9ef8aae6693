import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Lane, lanes } from '../../src/bus/subjects.ts';
import { type ClassifyRule, classify, type Incoming, type Wish } from '../../src/task/classify.ts';

const lane = fc.constantFrom<Lane>(...lanes);
const pool = fc.constantFrom('a', 'b', 'c');
const wish: fc.Arbitrary<Wish> = fc.record({ pool, lane }, { requiredKeys: [] });
const incoming: fc.Arbitrary<Incoming> = fc.record(
  {
    type: fc.string(),
    input: fc.jsonValue(),
    tenant: fc.string(),
    key: fc.string(),
    bytes: fc.nat(),
    headers: fc.constant({}),
  },
  { requiredKeys: ['type', 'input', 'bytes', 'headers'] },
);
/** Matches, does not, or throws; and names a pool, a lane, both or nothing. */
const rule: fc.Arbitrary<ClassifyRule> = fc
  .tuple(fc.constantFrom('yes', 'no', 'throws'), wish)
  .map(([does, named]) => ({
    ...named,
    when: () => {
      if (does === 'throws') throw new TypeError('no such field');
      return does === 'yes';
    },
  }));

const matches = ({ when }: ClassifyRule, task: Incoming): boolean => {
  try {
    return when(task);
  } catch {
    return false;
  }
};

test('pool and lane are the first matching rule’s, else the submitter’s, else the task’s own, else the default', () => {
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 4 }), incoming, wish, wish, (rules, task, submitted, own) => {
      const first = rules.find((each) => matches(each, task));
      expect(classify(rules, task, { submitted, own })).toEqual({
        pool: first?.pool ?? submitted.pool ?? own.pool ?? 'default',
        lane: first?.lane ?? submitted.lane ?? own.lane ?? 'normal',
        partition: '0',
      });
    }),
  );
});

test('the same task goes the same way, wherever it is asked', () => {
  const rules: readonly ClassifyRule[] = [
    { when: ({ bytes }) => bytes > 1_000, lane: 'low' },
    { when: ({ tenant }) => tenant === 'vip', lane: 'high', pool: 'b' },
  ];
  fc.assert(
    fc.property(incoming, wish, wish, (task, submitted, own) => {
      const copy = structuredClone(task);
      const route = classify(rules, task, { submitted, own });
      expect(classify(rules, copy, { submitted, own })).toEqual(route);
      expect(copy).toEqual(task);
    }),
  );
});

test('a rule sees type, input, tenant, key, bytes and headers', () => {
  const seen: Incoming[] = [];
  const task: Incoming = { type: 't', input: { n: 1 }, tenant: 'x', key: 'k', bytes: 7, headers: { Priority: '1' } };
  const when = (each: Incoming): boolean => seen.push(each) > 0;
  classify([{ when, pool: 'a' }], task, { submitted: {}, own: {} });
  expect(seen).toEqual([task]);
});
