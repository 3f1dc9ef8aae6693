import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type LaneDemand, laneDemand, localReserves, mayStart, plan } from '../../src/actors/demand.ts';
import { lanes } from '../../src/bus/subjects.ts';

/** Slots, and lanes whose reserves leave one slot at least. */
const pool = fc
  .record({
    slots: fc.integer({ min: 1, max: 20 }),
    weights: fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })),
    reserves: fc.tuple(fc.nat({ max: 6 }), fc.nat({ max: 6 }), fc.nat({ max: 6 })),
  })
  .map(({ slots, weights, reserves }) => {
    const local = localReserves(reserves, slots, slots);
    return { slots, demands: lanes.map((lane, n) => laneDemand(lane, weights[n] ?? 1, local[n] ?? 0)) };
  });

const sum = (demands: readonly LaneDemand[], of: (lane: LaneDemand) => number): number =>
  demands.reduce((total, lane) => total + of(lane), 0);
const here = ({ running, ready, outstanding }: LaneDemand): number => running + ready + outstanding;

/** The puller's books, and a stream that answers: `backlog` messages a lane. */
const world = (demands: readonly LaneDemand[], slots: number, backlog: number[]) => {
  const started = demands.map(() => 0);
  const start = (lane: LaneDemand): boolean => {
    if (!mayStart(lane, demands, slots)) return false;
    lane.running += 1;
    started[demands.indexOf(lane)] = (started[demands.indexOf(lane)] ?? 0) + 1;
    return true;
  };
  const arrive = (lane: LaneDemand): void => {
    const at = demands.indexOf(lane);
    backlog[at] = (backlog[at] ?? 0) - 1;
    lane.pending = backlog[at] ?? 0;
    if (!start(lane)) lane.ready += 1;
  };
  return {
    started,
    backlog,
    /** Asks, and has every pull answered that can be: those that wait keep waiting. */
    turn: (): void => {
      const wishes = plan(demands, slots);
      for (const { lane, batch, kind } of wishes) {
        if (kind === 'sentinel') continue;
        const there = Math.min(batch, backlog[demands.indexOf(lane)] ?? 0);
        for (let n = 0; n < there; n += 1) {
          lane.outstanding -= 1;
          arrive(lane);
        }
        if (there === batch) continue;
        lane.outstanding -= batch - there;
        lane.pending = 0;
      }
    },
    /** A pull that waits hears of a message. */
    ring: (lane: LaneDemand): void => {
      if (!lane.sentinel || (backlog[demands.indexOf(lane)] ?? 0) === 0) return;
      lane.sentinel = false;
      arrive(lane);
    },
    finish: (lane: LaneDemand): void => {
      if (lane.running === 0) return;
      lane.running -= 1;
      const next = demands.find((each) => each.ready > 0 && start(each));
      if (next) next.ready -= 1;
    },
  };
};

type Step = { readonly does: 'turn' } | { readonly does: 'ring' | 'finish' | 'publish'; readonly lane: number };
const steps = fc.array(
  fc.oneof(
    fc.constant<Step>({ does: 'turn' }),
    fc.record({ does: fc.constantFrom('ring', 'finish', 'publish'), lane: fc.nat({ max: 2 }) }),
  ),
  { minLength: 40, maxLength: 120, size: 'max' },
);

const play = (demands: readonly LaneDemand[], slots: number, script: readonly Step[], after: () => void): void => {
  const { turn, ring, finish, backlog } = world(demands, slots, [0, 0, 0]);
  for (const step of script) {
    const lane = step.does === 'turn' ? undefined : demands[step.lane];
    if (step.does === 'turn') turn();
    else if (step.does === 'publish') backlog[step.lane] = (backlog[step.lane] ?? 0) + 1;
    else if (lane) ({ ring, finish })[step.does](lane);
    after();
  }
};

describe('whatever comes and goes', () => {
  test('no more tasks are here than there are slots, and one for each lane but one', () => {
    fc.assert(
      fc.property(pool, steps, ({ slots, demands }, script) => {
        play(demands, slots, script, () => {
          expect(sum(demands, here)).toBeLessThanOrEqual(slots + demands.length - 1);
          expect(sum(demands, ({ running }) => running)).toBeLessThanOrEqual(slots);
        });
      }),
      { numRuns: 60 },
    );
  });

  test('a reserved slot is taken by its own lane alone', () => {
    fc.assert(
      fc.property(pool, steps, ({ slots, demands }, script) => {
        play(demands, slots, script, () => {
          const kept = sum(demands, ({ reserve, running }) => Math.max(reserve, running));
          expect(kept).toBeLessThanOrEqual(slots);
        });
      }),
      { numRuns: 60 },
    );
  });

  test('a lane that has work and a slot of its own, or of everybody’s, has asked or is about to', () => {
    fc.assert(
      fc.property(pool, steps, ({ slots, demands }, script) => {
        const { turn, ring, finish, backlog } = world(demands, slots, [0, 0, 0]);
        for (const step of script) {
          const lane = step.does === 'turn' ? undefined : demands[step.lane];
          if (step.does === 'publish') backlog[step.lane] = (backlog[step.lane] ?? 0) + 1;
          else if (lane && step.does === 'finish') finish(lane);
          else if (lane && step.does === 'ring') ring(lane);
          turn();
        }
        // Nothing ends any more: what can start starts, by the pulls that are open and those that follow.
        for (let rounds = 0; rounds < slots + 3; rounds += 1) {
          for (const lane of demands) ring(lane);
          turn();
        }
        for (const [at, lane] of demands.entries())
          if (mayStart(lane, demands, slots)) expect(backlog[at], lane.lane).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});

describe('lanes that all have a backlog', () => {
  const served = (demands: readonly LaneDemand[], slots: number, rounds: number): readonly number[] => {
    const { turn, ring, finish, started } = world(demands, slots, [1e9, 1e9, 1e9]);
    turn();
    for (const lane of demands) ring(lane);
    for (let round = 0; round < rounds; round += 1) {
      turn();
      // The longest-running ends first, whatever its lane: each lane's share of the ends is its share of the starts.
      const busiest = demands.reduce((most, lane) => (lane.running > most.running ? lane : most));
      finish(demands[round % demands.length]?.running ? (demands[round % demands.length] ?? busiest) : busiest);
    }
    return started;
  };

  test('without reserves are served in the proportion of their weights, within 1 %', () => {
    fc.assert(
      fc.property(pool, ({ slots, demands }) => {
        const free = demands.map(({ lane, weight }) => laneDemand(lane, weight, 0));
        const rounds = 5_000;
        const started = served(free, slots, rounds);
        const weights = sum(free, ({ weight }) => weight);
        const total = started.reduce((all, each) => all + each, 0);
        for (const [at, { weight }] of free.entries())
          expect(Math.abs((started[at] ?? 0) / total - weight / weights)).toBeLessThan(0.01);
      }),
      { numRuns: 6 },
    );
  });

  test('are all served, whatever the weights and reserves', () => {
    fc.assert(
      fc.property(pool, ({ slots, demands }) => {
        for (const each of served(demands, slots, 200)) expect(each).toBeGreaterThan(0);
      }),
      { numRuns: 25 },
    );
  });
});

test('a node keeps its share of each reserve, and a slot for everybody', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 50 }), { maxLength: 3 }),
      fc.nat({ max: 50 }),
      fc.integer({ min: 1, max: 50 }),
      (all, slots, max) => {
        const local = localReserves(all, slots, max);
        expect(local.reduce((total, each) => total + each, 0)).toBeLessThanOrEqual(Math.max(0, slots - 1));
        for (const [at, each] of local.entries()) {
          expect(each).toBeGreaterThanOrEqual(0);
          expect(each).toBeLessThanOrEqual(Math.ceil(((all[at] ?? 0) * slots) / max));
        }
      },
    ),
  );
  expect(localReserves([4, 0, 0], 10, 50)).toEqual([1, 0, 0]);
  expect(localReserves([1, 1, 0], 2, 4)).toEqual([1, 0, 0]);
  expect(localReserves([4, 0, 0], 50, 50)).toEqual([4, 0, 0]);
});
