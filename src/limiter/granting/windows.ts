/** All windows of one budget, which hold at the same time. */
import type { Amount, Budget, Timing, Unit } from '../budget.ts';
import { type WindowCount, windowCount } from './window-count.ts';

export interface Windows {
  readonly counts: readonly WindowCount[];
  /** How long a date is remembered by the longest of them. */
  readonly longestMs: number;
  /** The least that any window allows of a unit; Infinity where none counts it. */
  readonly limits: Readonly<Record<Unit, number>>;
  /** Without the units that no window counts. */
  counted(amount: Amount): Amount;
  fits(amount: Amount): boolean;
  reserve(amount: Amount): void;
  release(amount: Amount): void;
  date(amount: Amount, atMs: number): void;
  /** `before`, dated `atMs`, was really `after`: a refund is of that date, what is more counts from `nowMs`. */
  replace(before: Amount, after: Amount, atMs: number, nowMs: number): void;
  expire(nowMs: number): void;
  nextMs(): number;
}

export const windowsOf = ({ windows }: Budget, timing: Timing): Windows => {
  const counts = windows.map((window) => windowCount(window, timing));
  const limitOf = (unit: Unit): number =>
    Math.min(Infinity, ...windows.filter((window) => window.unit === unit).map(({ limit }) => limit));
  const limits = {
    requests: limitOf('requests'),
    tokens: limitOf('tokens'),
    inputTokens: limitOf('inputTokens'),
    outputTokens: limitOf('outputTokens'),
  };

  return {
    counts,
    longestMs: Math.max(0, ...counts.map(({ lastingMs }) => lastingMs)) + timing.grainMs,
    limits,
    counted: ({ requests, tokens, inputTokens, outputTokens }) => ({
      requests: limits.requests === Infinity ? 0 : requests,
      tokens: limits.tokens === Infinity ? 0 : tokens,
      inputTokens: limits.inputTokens === Infinity ? 0 : inputTokens,
      outputTokens: limits.outputTokens === Infinity ? 0 : outputTokens,
    }),
    fits: (amount) => counts.every(({ window, total }) => total() + amount[window.unit] <= window.limit),
    reserve: (amount) => {
      for (const count of counts) count.reserve(amount[count.window.unit]);
    },
    release: (amount) => {
      for (const count of counts) count.release(amount[count.window.unit]);
    },
    date: (amount, atMs) => {
      for (const count of counts) count.date(amount[count.window.unit], atMs);
    },
    replace: (before, after, atMs, nowMs) => {
      for (const count of counts) {
        const more = after[count.window.unit] - before[count.window.unit];
        if (more < 0) count.amend(more, atMs);
        else if (more > 0) {
          count.reserve(more);
          count.date(more, nowMs);
        }
      }
    },
    expire: (nowMs) => {
      for (const count of counts) count.expire(nowMs);
    },
    nextMs: () => Math.min(Infinity, ...counts.map((count) => count.nextMs())),
  };
};
