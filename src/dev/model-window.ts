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
  /** Requests that are being answered at once. */
  readonly concurrent?: number;
}

export type Admission =
  | {
      readonly admitted: true;
      /** The request has been answered. `tokens`: what it really used, which counts as of its arrival. */
      readonly settle: (tokens?: number) => void;
    }
  | { readonly admitted: false; readonly retryAfterMs: number };

export interface Window {
  /** Takes `tokens` and one request out of the windows that end at `nowMs`, or says when that may be tried again. */
  admit(nowMs: number, tokens: number): Admission;
}

interface Spent {
  readonly atMs: number;
  amount: number;
}

interface Meter {
  /** How long until `amount` fits; 0: now. What never fits waits for an empty window. */
  waitMs(nowMs: number, amount: number): number;
  /** What it answers puts another amount in its place. */
  spend(nowMs: number, amount: number): (amount: number) => void;
}

const meter = ({ limit, perMs }: Limit): Meter => {
  const spent: Spent[] = [];
  let sum = 0;
  const forget = (nowMs: number): void => {
    const gone = spent.findIndex(({ atMs }) => atMs > nowMs - perMs);
    for (const one of spent.splice(0, gone < 0 ? spent.length : gone)) {
      sum -= one.amount;
      one.amount = Number.NaN; // What it came to does not matter any more.
    }
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
    spend: (atMs, amount) => {
      const one = { atMs, amount };
      spent.push(one);
      sum += amount;
      return (really) => {
        if (Number.isNaN(one.amount)) return;
        sum += really - one.amount;
        one.amount = really;
      };
    },
  };
};

/** Where only the end of some other request makes room, and nobody knows when that is. */
const crowdedMs = 1_000;

export const slidingWindow = ({ requests = [], tokens = [], concurrent = Infinity }: Limits): Window => {
  const requestMeters = [requests].flat().map(meter);
  const tokenMeters = [tokens].flat().map(meter);
  let answering = 0;
  return {
    admit: (nowMs, amount) => {
      const waitMs = Math.max(
        answering < concurrent ? 0 : crowdedMs,
        ...requestMeters.map((one) => one.waitMs(nowMs, 1)),
        ...tokenMeters.map((one) => one.waitMs(nowMs, amount)),
      );
      if (waitMs > 0) return { admitted: false, retryAfterMs: waitMs };
      for (const one of requestMeters) one.spend(nowMs, 1);
      const amends = tokenMeters.map((one) => one.spend(nowMs, amount));
      answering += 1;
      let settled = false;
      const settle = (really?: number): void => {
        if (settled) return;
        settled = true;
        answering -= 1;
        if (really !== undefined) for (const amend of amends) amend(really);
      };
      return { admitted: true, settle };
    },
  };
};
