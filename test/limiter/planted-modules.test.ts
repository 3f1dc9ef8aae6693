/** Limiters one module of which is wrong on purpose: whoever judges by the provider's log has to find them out. */
import { afterEach, describe, expect, test, vi } from 'vitest';
import type * as PermitModule from '../../src/limiter/asking/permit.ts';
import type { Amount } from '../../src/limiter/budget.ts';
import type * as Inherited from '../../src/limiter/granting/inherited.ts';
import type * as Ledger from '../../src/limiter/granting/ledger.ts';
import type * as WindowCount from '../../src/limiter/granting/window-count.ts';
import { foundOut, holds, holdsLimit, ofTokens } from './judged.ts';

const permitFile = '../../src/limiter/asking/permit.ts';
const granting = '../../src/limiter/granting';
const windowCountFile = `${granting}/window-count.ts`;
const inheritedFile = `${granting}/inherited.ts`;
const ledgerFile = `${granting}/ledger.ts`;

const plantPermit = (plant: (real: typeof PermitModule) => typeof PermitModule.permit): void =>
  void vi.doMock(permitFile, async (original) => {
    const real = await original<typeof PermitModule>();
    return { ...real, permit: plant(real) };
  });

type MakeWindowCount = (typeof WindowCount)['windowCount'];

const plantWindowCount = (
  plant: (count: WindowCount.WindowCount, window: Parameters<MakeWindowCount>[0]) => WindowCount.WindowCount,
): void =>
  void vi.doMock(windowCountFile, async (original) => {
    const { windowCount } = await original<typeof WindowCount>();
    return { windowCount: (...made: Parameters<MakeWindowCount>) => plant(windowCount(...made), made[0]) };
  });

afterEach(() => {
  for (const file of [permitFile, windowCountFile, inheritedFile, ledgerFile]) vi.doUnmock(file);
});

describe('the checker finds out a limiter', () => {
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

  test('whose windows are fixed', async () => {
    plantWindowCount((count, { perMs }) => ({
      ...count,
      // As if all of it had arrived when the window began.
      date: (amount, atMs) => count.date(amount, atMs - (atMs % perMs)),
    }));
    expect(await foundOut(holds)).toBe(true);
  });

  test('that takes a refund for a credit of now', async () => {
    plantWindowCount((count) => ({ ...count, amend: (difference) => count.reserve(difference) }));
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
