import { describe, expect, it } from 'vitest';
import { assumptionsOf } from '../../prove/assumptions.ts';

const arrival = (request: string, atMs: number) =>
  ({ request, atMs, headMs: atMs, asked: 1, outcome: 'answered' }) as const;
const sent = (request: string, sentMs: number, inTime = true) => ({ type: 'sent', request, sentMs, inTime }) as const;

const limits = [{ unit: 'requests', limit: 1, perMs: 1_000 }] as const;

describe('the assumptions of a run', () => {
  it('tell what was too much because it was too long on its way from what was too much by itself', () => {
    const over = (firstSentMs: number): number => {
      const reports = [sent('a', firstSentMs), sent('b', 2_390)];
      const arrivals = [arrival('a', 1_500), arrival('b', 2_400)];
      return assumptionsOf({ limits, arrivals, reports, allowedMs: 200 }).travel.over;
    };
    expect(over(1_000)).toBe(0);
    expect(over(1_400)).toBeGreaterThan(0);
  });

  it('say how long requests were on their way, and which of them too long', () => {
    const arrivals = [arrival('a', 110), arrival('b', 420), arrival('c', 500)];
    const reports = [sent('a', 100), sent('b', 120), sent('c', 490), sent('lost', 1)];
    const { travel } = assumptionsOf({ limits: [], arrivals, reports, allowedMs: 200 });
    expect(travel).toEqual({ medianMs: 10, longestMs: 300, allowedMs: 200, beyond: 1, over: 0 });
  });

  it('count what was late, what stood still, and what failed by why', () => {
    const found = assumptionsOf({
      limits,
      arrivals: [],
      allowedMs: 200,
      reports: [
        sent('a', 1, false),
        { type: 'stopped', fromMs: 10, toMs: 900 },
        { type: 'failed', request: 'b', why: 'no' },
        { type: 'failed', request: 'c', why: 'no' },
      ],
    });
    expect(found).toMatchObject({ late: 1, stopped: { count: 1, longestMs: 890 }, failed: { no: 2 } });
  });
});
