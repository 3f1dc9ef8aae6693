import { describe, expect, it } from 'vitest';
import { assumptionsOf } from '../../prove/assumptions.ts';

const arrival = (request: string, atMs: number) =>
  ({ request, atMs, headMs: atMs, asked: 1, outcome: 'answered' }) as const;
const sent = (request: string, sentMs: number, inTime = true) => ({ type: 'sent', request, sentMs, inTime }) as const;

describe('the assumptions of a run', () => {
  it('say how long requests were on their way, and which of them too long', () => {
    const arrivals = [arrival('a', 110), arrival('b', 420), arrival('c', 500)];
    const { travel } = assumptionsOf(arrivals, [sent('a', 100), sent('b', 120), sent('c', 490), sent('lost', 1)], 200);
    expect(travel).toEqual({ medianMs: 10, longestMs: 300, allowedMs: 200, beyond: 1 });
  });

  it('count what was late, what stood still, and what failed by why', () => {
    const found = assumptionsOf(
      [],
      [
        sent('a', 1, false),
        { type: 'stopped', fromMs: 10, toMs: 900 },
        { type: 'failed', request: 'b', why: 'no' },
        { type: 'failed', request: 'c', why: 'no' },
      ],
      200,
    );
    expect(found).toMatchObject({ late: 1, stopped: { count: 1, longestMs: 890 }, failed: { no: 2 } });
  });
});
