/** Limiters of a long window beside a short one, by hand: what their keys come to, and what successors make of them. */
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/kernel/random.ts';
import { fullest, steps } from '../../prove/windows.ts';
import { timingOf, type Window } from '../../src/limiter/budget.ts';
import { type Grantor, grantor } from '../../src/limiter/granting/grantor.ts';
import { encodeKey, type KeptSlice } from '../../src/limiter/granting/key.ts';

const stepMs = 100;
const minutes = 60_000;

const requests = (limit: number, perMs: number): Window => ({ unit: 'requests', limit, perMs });
const wish = {
  count: 10,
  lane: 'normal',
  tenant: '',
  waitedMs: 0,
  holdMs: 1_000,
  requests: 1,
  tokens: 0,
  inputTokens: 0,
  outputTokens: 0,
} as const;

/** Ten ask, in so many of the steps; what is granted arrives as late as it may. */
const world = (windows: readonly Window[], busy: number) => {
  const random = seededRandom(1);
  const budget = { name: 'b', windows };
  const { permitMs, travelMs } = timingOf(budget);
  const seenAt = new Map<number, number>();
  const arrivals: { readonly atMs: number; readonly amount: number }[] = [];
  let nowMs = 0;
  let epoch = 0;
  let n = 0;
  let kept: readonly KeptSlice[] = [];
  let mind: Grantor;

  /** All that is in the key, as one sees it who stands by. */
  const write = (): void => {
    kept = mind.kept(nowMs);
    const there = new Set(kept.map((slice) => slice.n));
    for (const each of seenAt.keys()) if (!there.has(each)) seenAt.delete(each);
    for (const each of there) if (!seenAt.has(each)) seenAt.set(each, nowMs);
  };

  const takeOver = (): void => {
    nowMs += 1_100;
    epoch += 1;
    const inherited = kept.map((slice) => ({ ...slice, seenAtMs: seenAt.get(slice.n) ?? nowMs }));
    mind = grantor({ budget, epoch, inherited, closedMs: 0, nowMs });
  };

  const granted = (): readonly string[] => {
    const permits: string[] = [];
    for (;;) {
      const { answers, take } = mind.work(nowMs, true);
      for (const { grants } of answers) permits.push(...grants.grants.map(({ permit }) => permit));
      if (!take) return permits;
      write();
      mind.opened(take);
    }
  };

  const step = (): void => {
    nowMs += stepMs;
    if (random.next() > busy) return;
    n += 1;
    mind.list({ client: 'c', n, live: n, adds: false, waiting: [{ ...wish, id: n * wish.count }] }, 'r', nowMs);
    for (const permit of granted()) {
      arrivals.push({ atMs: nowMs + permitMs + travelMs, amount: 1 });
      mind.settle({ client: 'c', permits: [{ type: 'settled', sent: true, permit, count: 1 }] }, nowMs);
    }
  };

  takeOver();
  return {
    takeOver,
    run: (forMs: number): void => {
      for (const untilMs = nowMs + forMs; nowMs < untilMs; ) step();
    },
    arrivals,
    most: ({ perMs }: Window): number => fullest(steps(arrivals, perMs)).sum,
    key: () => {
      write();
      return { slices: kept.length, bytes: encodeKey({ w: '', epoch, node: '', closedMs: 0, slices: kept }).length };
    },
  };
};

/** Of each window length the cells of 1/256, with the one that has begun and the one that ends, and what is just granted. */
const mostSlices = (windows: readonly Window[]): number => windows.length * (256 + 3) + 12;

test('the key of a budget with a window of a day stays small, however much was granted in the day', () => {
  const windows = [requests(10, 1_000), requests(100_000, 24 * 60 * minutes)];
  const { run, key, arrivals } = world(windows, 1);
  for (let hours = 0; hours < 3; hours += 0.5) {
    run(30 * minutes);
    expect(key().slices).toBeLessThanOrEqual(mostSlices(windows));
  }
  expect(arrivals.length).toBe(90_000);
  expect(key().bytes).toBeLessThan(10_000);
}, 60_000);

test('successors of successors never allow more than the limit of any window, and lose little of the long one', () => {
  const windows = [requests(40, 2_000), requests(3_000, 10 * minutes)];
  const alone = world(windows, 0.08);
  const many = world(windows, 0.08);
  alone.run(40 * minutes);
  for (let takeovers = 0; takeovers < 8; takeovers += 1) {
    many.run(5 * minutes);
    many.takeOver();
    expect(many.key().slices).toBeLessThanOrEqual(mostSlices(windows));
  }
  for (const window of windows) expect(many.most(window)).toBeLessThanOrEqual(window.limit);
  expect(many.arrivals.length).toBeGreaterThan(0.98 * alone.arrivals.length);
});

test('what a late call used is in the key, whatever its slice would have been merged with while it went on', () => {
  const { list, work, opened, settle, kept } = grantor({
    budget: { name: 'b', windows: [requests(1_000, 10 * minutes)] },
    epoch: 1,
    inherited: [],
    closedMs: 0,
    nowMs: 0,
  });
  list({ client: 'c', n: 1, live: 1, adds: false, waiting: [{ ...wish, id: 1, count: 2 }] }, 'r', 0);
  const { take } = work(0, true);
  if (take) opened(take);
  const permit = work(0, true).answers[0]?.grants.grants[0]?.permit ?? '';
  settle({ client: 'c', permits: [{ type: 'late', permit, count: 2, amount: wish }] }, 10);
  work(5_000, true);
  const actual = { ...wish, requests: 5 };
  settle({ client: 'c', permits: [{ type: 'settled', permit, count: 1, actual }] }, 5_000);
  expect(kept(5_000).reduce((sum, { amount }) => sum + amount.requests, 0)).toBe(6);
});
