/** How long waiting took of late: a moving average that is forgotten by half in a few seconds. */
const halfLifeMs = 5_000;
const weight = 0.2;

export const waits = () => {
  let average = 0;
  let atMs = 0;
  const at = (nowMs: number): number => average * 0.5 ** ((nowMs - atMs) / halfLifeMs);
  return {
    add: (waitedMs: number, nowMs: number): void => {
      const before = at(nowMs);
      average = before + weight * (waitedMs - before);
      atMs = nowMs;
    },
    /** In ms. */
    at,
  };
};
