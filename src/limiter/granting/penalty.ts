/** How long a budget is closed, because its provider has refused a request. */
export interface Penalty {
  extend(untilMs: number): void;
  readonly untilMs: () => number;
  /** Whole ms, so that others can read them; 0 only when it is over. */
  leftMs(nowMs: number): number;
}

export const penalty = (startMs: number): Penalty => {
  let until = startMs;
  return {
    extend: (untilMs) => {
      until = Math.max(until, untilMs);
    },
    untilMs: () => until,
    leftMs: (nowMs) => Math.max(0, Math.ceil(until - nowMs)),
  };
};
