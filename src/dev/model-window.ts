/**
 * What a provider allows in any window: requests and tokens, over the last so many milliseconds. A request that does
 * not fit is refused and counts nothing, so that who waits as long as it was told to gets in.
 */

export interface Limit {
  readonly limit: number;
  readonly perMs: number;
}

export interface Limits {
  readonly requests?: Limit;
  readonly tokens?: Limit;
}

export type Admission = { readonly admitted: true } | { readonly admitted: false; readonly retryAfterMs: number };

export interface Window {
  /** Takes `tokens` and one request out of the window that ends at `nowMs`, or says when that may be tried again. */
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

export const slidingWindow = ({ requests, tokens }: Limits): Window => {
  const requestMeter = requests && meter(requests);
  const tokenMeter = tokens && meter(tokens);
  return {
    admit: (nowMs, amount) => {
      const waitMs = Math.max(requestMeter?.waitMs(nowMs, 1) ?? 0, tokenMeter?.waitMs(nowMs, amount) ?? 0);
      if (waitMs > 0) return { admitted: false, retryAfterMs: waitMs };
      requestMeter?.spend({ atMs: nowMs, amount: 1 });
      tokenMeter?.spend({ atMs: nowMs, amount });
      return { admitted: true };
    },
  };
};
