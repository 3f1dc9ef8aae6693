/** Permits in the test's hands: granted when told, and noted. */
import type { Amount } from '../../src/limiter/budget.ts';
import { permitIdOf } from '../../src/limiter/permit-id.ts';
import type { Permits, Wanted } from '../../src/limiter/permits.ts';

export interface Granted {
  readonly budget: string;
  readonly wanted: Wanted;
  /** What became of it, in order. */
  readonly fate: string[];
  settled?: Amount | undefined;
}

export const notedPermits = (options: { readonly hold?: boolean; readonly waits?: Record<string, number> } = {}) => {
  const granted: Granted[] = [];
  const penalties: (readonly [budget: string, ms: number])[] = [];
  const waiting: {
    readonly budget: string;
    readonly wanted: Wanted;
    grant(inTime?: boolean): void;
    refuse(error: Error): void;
  }[] = [];
  const permitOf = (budget: string, wanted: Wanted, inTime: boolean) => {
    const one: Granted = { budget, wanted, fate: [] };
    granted.push(one);
    return {
      id: permitIdOf(`1.1.${granted.length}`),
      budget,
      waitedMs: 0,
      inTime: () => inTime,
      begun: () => void one.fate.push('begun'),
      whenOver: () => ({ cancel: () => undefined }),
      sent: () => void one.fate.push('sent'),
      heard: () => void one.fate.push('heard'),
      unsent: () => void one.fate.push('unsent'),
      settle: (actual?: Amount) => {
        one.fate.push('settled');
        one.settled = actual;
      },
    };
  };
  const permits: Permits = {
    acquire: (budget, wanted) =>
      new Promise((resolve, reject) => {
        wanted.signal.addEventListener('abort', () => reject(wanted.signal.reason), { once: true });
        const one = {
          budget,
          wanted,
          grant: (inTime = true) => resolve(permitOf(budget, wanted, inTime)),
          refuse: reject,
        };
        if (options.hold) waiting.push(one);
        else one.grant();
      }),
    penalize: (budget, ms) => void penalties.push([budget, ms]),
    waitMs: (budget) => options.waits?.[budget] ?? 0,
    waitsOf: () => [],
  };
  return { permits, granted, penalties, waiting };
};
