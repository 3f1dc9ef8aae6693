/**
 * What a provider allows in any window: requests and tokens, over the last so many milliseconds, several windows at
 * once if need be. A request that does not fit one of them is refused and counts in none, so that who waits as long as
 * it was told to gets in.
 */

export interface Limit {
  readonly limit: number;
  readonly perMs: number;
}

export interface Limits {
  readonly requests?: Limit | readonly Limit[];
  readonly tokens?: Limit | readonly Limit[];
}

export type Admission = { readonly admitted: true } | { readonly admitted: false; readonly retryAfterMs: number };

export interface Window {
  /** Takes `tokens` and one request out of the windows that end at `nowMs`, or says when that may be tried again. */
  admit(nowMs: number, tokens: number): Admission;
}

interface Spent {
  readonly atMs: number;
  readonly amount: number;
}

interface Meter {
  /** How long until `amount` fits; 0: now. What never fits waits for an empty window. */
  waitMs(nowMs: number, amount: number): number;
  spend(spent: Spent): void;
}

const meter = ({ limit, perMs }: Limit): Meter => {
  const spent: Spent[] = [];
  let sum = 0;
  const forget = (nowMs: number): void => {
    const gone = spent.findIndex(({ atMs }) => atMs > nowMs - perMs);
    for (const { amount } of spent.splice(0, gone < 0 ? spent.length : gone)) sum -= amount;
  };
  return {
    waitMs: (nowMs, amount) => {
      forget(nowMs);
      let over = sum + amount - limit;
      if (over <= 0) return 0;
      for (const past of spent) {
        over -= past.amount;
        if (over <= 0) return past.atMs + perMs - nowMs;
      }
      return perMs;
    },
    spend: (one) => {
      spent.push(one);
      sum += one.amount;
    },
  };
};

export const slidingWindow = ({ requests = [], tokens = [] }: Limits): Window => {
  const requestMeters = [requests].flat().map(meter);
  const tokenMeters = [tokens].flat().map(meter);
  return {
    admit: (nowMs, amount) => {
      const waitMs = Math.max(
        0,
        ...requestMeters.map((one) => one.waitMs(nowMs, 1)),
        ...tokenMeters.map((one) => one.waitMs(nowMs, amount)),
      );
      if (waitMs > 0) return { admitted: false, retryAfterMs: waitMs };
      for (const one of requestMeters) one.spend({ atMs: nowMs, amount: 1 });
      for (const one of tokenMeters) one.spend({ atMs: nowMs, amount });
      return { admitted: true };
    },
  };
};
