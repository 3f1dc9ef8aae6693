import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Arrived, type Evidence, judge } from '../../prove/checker.ts';
import type { Limit } from '../../prove/windows.ts';
import { seededRandom } from '../../src/kernel/random.ts';

const perMs = 10_000;
const limits: readonly Limit[] = [
  { unit: 'requests', limit: 100, perMs },
  { unit: 'tokens', limit: 40_000, perMs },
];

const arrived = (atMs: number, asked = 250): Arrived => ({ atMs, headMs: atMs, asked, outcome: 'answered' });

const evidence = (arrivals: readonly Arrived[], more: Partial<Evidence> = {}): Evidence => ({
  limits,
  arrivals,
  phases: [{ name: 'without faults', fromMs: 0, toMs: 120_000, required: 0.95 }],
  waits: [],
  left: { reserved: 0, afterMs: 0 },
  ...more,
});

/** Greedy demand against a limiter that admits when `fits` says so; one request each millisecond that it may. */
const simulated = (fits: (nowMs: number, sent: readonly number[]) => boolean): readonly Arrived[] => {
  const sent: number[] = [];
  for (let nowMs = 0; nowMs < 120_000; nowMs += 1) if (fits(nowMs, sent)) sent.push(nowMs);
  return sent.map((atMs) => arrived(atMs));
};

const since = (sent: readonly number[], ms: number): number => sent.length - 1 - sent.findLastIndex((at) => at <= ms);

const objectionsTo = (arrivals: readonly Arrived[], more?: Partial<Evidence>): string =>
  judge(evidence(arrivals, more)).objections.join('\n');

describe('the checker of the limiter', () => {
  it('passes a sliding window with exact dates', () => {
    const verdict = judge(evidence(simulated((now, sent) => since(sent, now - perMs - 100) < 100)));
    expect(verdict.objections).toEqual([]);
    expect(verdict.passed).toBe(true);
    expect(verdict.phases[0]?.utilisation).toBeGreaterThan(0.98);
  });

  it('passes what comes exactly a window later, and objects to what comes a moment before that', () => {
    const burst = (atMs: number) => Array.from({ length: 100 }, () => arrived(atMs));
    const bursts = (everyMs: number) => Array.from({ length: 12 }, (_, n) => burst(n * everyMs)).flat();
    expect(objectionsTo(bursts(10_000))).toBe('');
    expect(objectionsTo(bursts(9_999.999))).toContain('over the limit: 200 requests arrived in the 10000 ms');
  });

  it('catches a fixed window', () => {
    const late = simulated((now, sent) => since(sent, Math.floor(now / perMs) * perMs - 1) < 100 && now >= 5_000);
    expect(objectionsTo(late)).toContain('over the limit');
  });

  it('catches twice the budget', () => {
    expect(objectionsTo(simulated((now, sent) => since(sent, now - perMs) < 200))).toContain(
      'over the limit: 200 requests',
    );
  });

  it('catches one request too many in one window of all, wherever that is', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_100 }), (extra) => {
        const even = Array.from({ length: 1_200 }, (_, n) => arrived(n * 100));
        expect(judge(evidence(even)).passed).toBe(true);
        expect(judge(evidence([...even, arrived(extra * 100 + 1)])).passed).toBe(false);
      }),
      { numRuns: 30 },
    );
  });

  it('catches too many tokens where the requests are few', () => {
    const big = Array.from({ length: 600 }, (_, n) => arrived(n * 200, 801));
    expect(objectionsTo(big)).toContain('over the limit: 40050 tokens arrived');
  });

  it('catches what is too much by the first byte only', () => {
    const even = Array.from({ length: 1_200 }, (_, n) => arrived(n * 100));
    const early = even.map((one, n) => (n === 500 ? { ...one, headMs: one.atMs - 1 } : one));
    expect(objectionsTo(early)).toMatch(/^over the limit: 101 requests .* by their first byte/);
  });

  it('counts what the provider refused, too', () => {
    const even = Array.from({ length: 1_200 }, (_, n) => arrived(n * 100));
    const refused: Arrived = { ...arrived(60_001), outcome: 'refused' };
    expect(objectionsTo([...even, refused])).toContain('answered 429 to 1 of 1201');
    expect(objectionsTo([...even, refused])).toContain('over the limit: 101 requests');
  });

  it('objects to a budget that is not used, and does not count the first window', () => {
    const idle = simulated((now, sent) => now > 9_000 && since(sent, now - 1.1 * perMs) < 100);
    expect(judge(evidence(idle)).phases[0]?.utilisation).toBeCloseTo(1 / 1.1, 1);
    expect(objectionsTo(idle)).toMatch(/^without faults: 9\d\.\d % of the budget was used; 95\.0 % has to be$/);
    const late = Array.from({ length: 1_100 }, (_, n) => arrived(n * 100 + 9_900));
    const phase = (fromMs: number) => ({ phases: [{ name: 'late', fromMs, toMs: 59_900, required: 0.95 }] });
    expect(objectionsTo(late, phase(0))).toContain('of the budget was used');
    expect(objectionsTo(late, phase(9_900))).toBe('');
  });

  it('objects to a tenant that waits more than 5 s longer than another', () => {
    const even = Array.from({ length: 1_200 }, (_, n) => arrived(n * 100));
    const random = seededRandom(1);
    const waits = ['a', 'b', 'c'].flatMap((tenant) =>
      Array.from({ length: 100 }, () => ({ tenant, waitedMs: 20_000 + 4_000 * random.next() })),
    );
    expect(objectionsTo(even, { waits })).toBe('');
    expect(objectionsTo(even, { waits: [...waits, { tenant: 'b', waitedMs: 30_000 }] })).toMatch(/^one tenant waited/);
  });

  it('objects to what is still reserved, to a limiter that does not say, and to an empty log', () => {
    const even = Array.from({ length: 1_200 }, (_, n) => arrived(n * 100));
    expect(objectionsTo(even, { left: { reserved: 2, afterMs: 300_000 } })).toContain('2 are still reserved');
    expect(objectionsTo(even, { left: undefined })).toContain('did not say');
    expect(objectionsTo([])).toContain('nothing arrived');
  });
});
