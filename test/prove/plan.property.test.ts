import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { faultKinds, plan } from '../../prove/plan.ts';
import { seededRandom } from '../../src/kernel/random.ts';

const seeds = fc.nat({ max: 1_000_000 });

describe('the plan of faults', () => {
  it('is the same for the same seed', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        expect(plan(seededRandom(seed), 180_000)).toEqual(plan(seededRandom(seed), 180_000));
      }),
    );
  });

  it('has a fault every 5 to 10 s, and one at a time', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const faults = plan(seededRandom(seed), 180_000);
        expect(faults.length).toBeGreaterThanOrEqual(17);
        faults.forEach(({ atMs, lastsMs }, index) => {
          const nextMs = faults[index + 1]?.atMs;
          if (nextMs === undefined) return;
          expect(nextMs - atMs).toBeGreaterThanOrEqual(5_000);
          expect(nextMs - atMs).toBeLessThanOrEqual(10_000);
          expect(atMs + lastsMs).toBeLessThan(nextMs);
        });
      }),
    );
  });

  it('has each kind once in three', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const kinds = plan(seededRandom(seed), 180_000).map(({ kind }) => kind);
        for (let at = 0; at + 3 <= kinds.length; at += 3)
          expect(new Set(kinds.slice(at, at + 3))).toEqual(new Set(faultKinds));
      }),
    );
  });
});
