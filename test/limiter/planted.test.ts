/** Limiters that are wrong on purpose, each in one thing: whoever judges by the provider's log has to find them out. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { LimiterOptions } from '../../src/actors/limiter.ts';
import type { StreamPublishOptions } from '../../src/bus/queue.ts';
import type { Clock } from '../../src/kernel/clock.ts';
import type * as PermitModule from '../../src/limiter/asking/permit.ts';
import type { Amount, Budget } from '../../src/limiter/budget.ts';
import type * as Inherited from '../../src/limiter/granting/inherited.ts';
import type * as Ledger from '../../src/limiter/granting/ledger.ts';
import type * as WindowCount from '../../src/limiter/granting/window-count.ts';
import type { Plant, SimulationOptions } from './simulation.ts';
import { type Verdict, verdict } from './verdict.ts';

/** Six windows: what is wrong shows in them, and what is right does not look wrong. */
const forMs = 60_000;
const budget: Budget = {
  name: 'tier1',
  windows: [
    { unit: 'requests', limit: 100, perMs: 10_000 },
    { unit: 'tokens', limit: 40_000, perMs: 10_000 },
  ],
};

/** Few requests fit into its tokens, so refunds count. */
const ofTokens: Budget = {
  name: 'tier1',
  windows: [
    { unit: 'requests', limit: 200, perMs: 10_000 },
    { unit: 'tokens', limit: 10_000, perMs: 10_000 },
  ],
};

const permitFile = '../../src/limiter/asking/permit.ts';
const granting = '../../src/limiter/granting';
const windowCountFile = `${granting}/window-count.ts`;
const inheritedFile = `${granting}/inherited.ts`;
const ledgerFile = `${granting}/ledger.ts`;

/** Of a simulation of its own, in which modules that were replaced take part. */
const judged = async (plant: Plant, more: Partial<SimulationOptions> = {}): Promise<Verdict> => {
  vi.resetModules();
  const { simulate } = await import('./simulation.ts');
  const tokens = (random: () => number): number => 100 + random() * 300;
  const options = { budget, seed: 5, forMs, faults: true, tokens, plant, ...more };
  return verdict(options.budget, await simulate(options), options.forMs);
};

const days = [5, 6, 7];

/** Whether one of three days shows that it is wrong: the worst moment does not come every day. */
const foundOut = async (
  isRight: (of: Verdict) => boolean,
  plant: Plant = {},
  more: Partial<SimulationOptions> = {},
): Promise<boolean> => {
  for (const seed of days) if (!isRight(await judged(plant, { seed, ...more }))) return true;
  return false;
};

const holds = ({ most, used, left }: Verdict): boolean => most <= 1 && used >= 0.85 && left === 0;

const holdsLimit = ({ most, left }: Verdict): boolean => most <= 1 && left === 0;

const plantPermit = (plant: (real: typeof PermitModule) => typeof PermitModule.permit): void =>
  void vi.doMock(permitFile, async (original) => {
    const real = await original<typeof PermitModule>();
    return { ...real, permit: plant(real) };
  });

afterEach(() => {
  for (const file of [permitFile, windowCountFile, inheritedFile, ledgerFile]) vi.doUnmock(file);
});

const isKey = (subject: string): boolean => subject.startsWith('$KV.limits.');

/** Says that a slice is written, and writes it a second later, or never. */
const hasty = ({ queue, clock, ...rest }: LimiterOptions, later: 'later' | 'never'): LimiterOptions => {
  let last = 0;
  let behind: Promise<unknown> = Promise.resolve();
  const publish = async (subject: string, data: Uint8Array, options: StreamPublishOptions = {}) => {
    const isTakeover = options.expectSeq !== last || last === 0;
    if (!isKey(subject) || isTakeover) {
      const answer = await queue.publish(subject, data, options);
      if (isKey(subject)) last = answer.seq;
      return answer;
    }
    last += 1;
    if (later === 'later')
      behind = behind
        .then(() => clock.sleep(1_000))
        .then(() => queue.publish(subject, data, options).catch(() => undefined));
    return { stream: 'KV_limits', seq: last };
  };
  return { ...rest, clock, queue: { ...queue, publish } };
};

/** Its monotonic clock is the wall's, which is put on by an hour every 20 s. */
const jumping = (clock: Clock): Clock => ({
  ...clock,
  monotonic: () => clock.monotonic() + Math.floor(clock.monotonic() / 20_000) * 3_600_000,
});

describe('the checker finds out a limiter', () => {
  test('that is right to be right', async () => {
    for (const seed of days) expect(await judged({}, { seed })).toSatisfy(holds);
    expect(await judged({}, { budget: ofTokens })).toSatisfy(holdsLimit);
  });

  test.each<readonly [string, Plant]>([
    ['whose slices are written after they are granted from', { limiter: (options) => hasty(options, 'later') }],
    ['that remembers what it has taken, but in memory only', { limiter: (options) => hasty(options, 'never') }],
    ['that goes by the wall clock', { limiter: (options) => ({ ...options, clock: jumping(options.clock) }) }],
  ])('%s', async (_what, plant) => {
    expect(await foundOut(holds, plant)).toBe(true);
  });

  test('whose permits never run out', async () => {
    plantPermit(
      ({ permit }) =>
        (granted, ...rest) =>
          permit({ ...granted, untilMs: Infinity }, ...rest),
    );
    expect(await foundOut(holds)).toBe(true);
  });

  test('whose refunds count twice', async () => {
    plantPermit(({ permit }) => (granted, ...rest) => {
      const own = permit(granted, ...rest);
      const settle = (actual?: Amount): void =>
        own.settle(actual && { ...actual, tokens: Math.max(0, 2 * actual.tokens - granted.amount.tokens) });
      return { ...own, settle };
    });
    expect(await foundOut(holdsLimit, {}, { budget: ofTokens })).toBe(true);
  });

  test('whose permits’ life counts from when they were first asked for', async () => {
    const impatient: Plant['permit'] = (permit, sinceMs) => ({
      ...permit,
      inTime: () => permit.inTime() && sinceMs < 200,
    });
    expect(await foundOut(holds, { permit: impatient }, { faults: false })).toBe(true);
  });

  test('whose windows are fixed', async () => {
    vi.doMock(windowCountFile, async (original) => {
      const { windowCount } = await original<typeof WindowCount>();
      return {
        windowCount: (...[window, timing]: Parameters<typeof windowCount>): WindowCount.WindowCount => {
          const count = windowCount(window, timing);
          // As if all of it had arrived when the window began.
          return { ...count, date: (amount, atMs) => count.date(amount, atMs - (atMs % window.perMs)) };
        },
      };
    });
    expect(await foundOut(holds)).toBe(true);
  });

  test('that takes a refund for a credit of now', async () => {
    vi.doMock(windowCountFile, async (original) => {
      const { windowCount } = await original<typeof WindowCount>();
      return {
        windowCount: (...[window, timing]: Parameters<typeof windowCount>): WindowCount.WindowCount => {
          const count = windowCount(window, timing);
          return { ...count, amend: (difference) => count.reserve(difference) };
        },
      };
    });
    expect(await foundOut(holdsLimit, {}, { budget: ofTokens, faults: false })).toBe(true);
  });

  test('that does not wait for a permit to be confirmed', async () => {
    vi.doMock(ledgerFile, async (original) => {
      const { ledger, ...rest } = await original<typeof Ledger>();
      return {
        ...rest,
        ledger: (options: Ledger.LedgerOptions): Ledger.Ledger => {
          const own = ledger(options);
          return {
            ...own,
            grant: (asked, nowMs) => {
              const permit = own.grant(asked, nowMs);
              if (permit !== undefined) own.settle(permit, { type: 'sent' }, nowMs);
              return permit;
            },
            settle: (permit, fate, ...more) => (fate.type === 'late' ? 'known' : own.settle(permit, fate, ...more)),
          };
        },
      };
    });
    expect(await foundOut(holds)).toBe(true);
  });

  test('that forgets what it inherits before the last of it can have left', async () => {
    vi.doMock(inheritedFile, async (original) => {
      const { inherit } = await original<typeof Inherited>();
      const early: typeof inherit = (slices, windows, timing, nowMs) =>
        inherit(slices, windows, { ...timing, sliceMs: -10_000, permitMs: 0, travelMs: 0 }, nowMs);
      return { inherit: early };
    });
    expect(await foundOut(holds)).toBe(true);
  });
});
