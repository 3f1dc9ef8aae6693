import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ChildSpec, Exit, Restart } from '../../src/supervisor/child.ts';
import { restartGroup, shouldRestart } from '../../src/supervisor/strategy.ts';

const restart = fc.constantFrom<Restart>('permanent', 'transient', 'temporary');
const families = fc
  .uniqueArray(fc.string(), { minLength: 1, maxLength: 12 })
  .chain((ids) =>
    fc.record({
      children: fc.tuple(...ids.map((id) => restart.map((each) => spec(id, each)))),
      failed: fc.nat({ max: ids.length - 1 }),
    }),
  )
  .map(({ children, failed }) => ({ children, failed: children[failed] ?? spec('none', 'permanent') }));
const spec = (id: string, each: Restart): ChildSpec => ({
  id,
  restart: each,
  shutdownMs: 0,
  start: () => Promise.reject(),
});

describe('who restarts together', () => {
  test('under one_for_one, only the one that failed', () => {
    fc.assert(
      fc.property(families, ({ children, failed }) => {
        expect(restartGroup('one_for_one', children, failed)).toEqual([failed]);
      }),
    );
  });

  test('under one_for_all, everybody', () => {
    fc.assert(
      fc.property(families, ({ children, failed }) => {
        expect(restartGroup('one_for_all', children, failed)).toEqual(children);
      }),
    );
  });

  test('under rest_for_one, the one that failed and all who started after it, and nobody before', () => {
    fc.assert(
      fc.property(families, ({ children, failed }) => {
        const group = restartGroup('rest_for_one', children, failed);
        const before = children.slice(0, children.length - group.length);
        expect(group[0]).toBe(failed);
        expect([...before, ...group]).toEqual(children);
      }),
    );
  });

  test('under any strategy, the one that failed is among them, and they are in start order', () => {
    const strategies = fc.constantFrom('one_for_one', 'one_for_all', 'rest_for_one');
    fc.assert(
      fc.property(strategies, families, (strategy, { children, failed }) => {
        const group = restartGroup(strategy, children, failed);
        expect(group).toContain(failed);
        expect(children.filter((child) => group.includes(child))).toEqual(group);
      }),
    );
  });
});

describe('whether a child restarts', () => {
  const exits = { normal: { type: 'normal' }, crashed: { type: 'crashed', error: 0 } } as const satisfies Record<
    string,
    Exit
  >;
  test.each([
    ['permanent', 'normal', true],
    ['permanent', 'crashed', true],
    ['transient', 'normal', false],
    ['transient', 'crashed', true],
    ['temporary', 'normal', false],
    ['temporary', 'crashed', false],
  ] as const)('%s, exit %s: %s', (kind, exit, answer) => {
    expect(shouldRestart(spec('a', kind), exits[exit])).toBe(answer);
  });
});
