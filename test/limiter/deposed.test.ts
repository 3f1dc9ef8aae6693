/**
 * The worst that a holder can have done before it was deposed: granted from a slice until V was over, and the requests took
 * as long as they may. Judged by what arrives, as everywhere.
 */
import { afterEach, expect, test, vi } from 'vitest';
import { fullest, steps } from '../../prove/windows.ts';
import { timingOf } from '../../src/limiter/budget.ts';
import type * as Inherited from '../../src/limiter/granting/inherited.ts';

const inheritedFile = '../../src/limiter/granting/inherited.ts';
/** Two requests a slice. */
const windows = [{ unit: 'requests', limit: 400, perMs: 10_000 } as const];
const { permitMs, travelMs, sliceMs } = timingOf({ windows });

/** The most that arrives in any window. */
const worstDay = async (): Promise<number> => {
  vi.resetModules();
  const { opened, wishes } = await import('./limiter-world.ts');
  const { node, client, clock } = await opened({ windows });
  const arrivals: { atMs: number; amount: number }[] = [];
  const first = await node('a');
  await node('b');
  const one = client('one');

  one.list([{ id: 'early' }]);
  await clock.advance(sliceMs - 20);
  one.list([{ id: 'late' }]);
  await clock.advance(10);
  expect(one.permits()).toHaveLength(2);
  first.kill();
  arrivals.push({ atMs: clock.monotonic() + permitMs + travelMs, amount: 1 });

  // From then on every request leaves and arrives at the moment of its grant, until a whole window has passed.
  const many = wishes(800);
  const sent = new Set<string>();
  for (const fromMs = clock.monotonic(); clock.monotonic() < fromMs + 11_000; ) {
    const got = await one.wait(many.filter(({ id }) => !sent.has(id)).slice(0, 500), 50);
    for (const id of got.keys()) sent.add(id);
    for (let count = 0; count < got.size; count += 1) arrivals.push({ atMs: clock.monotonic(), amount: 1 });
    if (got.size > 0) await one.settle(...[...got.values()].map((permit) => ({ type: 'sent', permit })));
  }
  expect(sent.size).toBeGreaterThan(398);
  return fullest(steps(arrivals, 10_000)).sum;
};

afterEach(() => {
  vi.doUnmock(inheritedFile);
});

test('a successor counts what it inherits until the last of it can have left the window', async () => {
  expect(await worstDay()).toBeLessThanOrEqual(400);
});

test('one that dates what it inherits without V is found out', async () => {
  vi.doMock(inheritedFile, async (original) => {
    const { inherit } = await original<typeof Inherited>();
    const withoutV: typeof inherit = (slices, counts, timing, nowMs) =>
      inherit(slices, counts, { ...timing, sliceMs: 0 }, nowMs);
    return { inherit: withoutV };
  });
  expect(await worstDay()).toBeGreaterThan(400);
});
