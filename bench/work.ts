/** The work that all contestants do, and the words they share about it. */

/** Tasks that are done at once: Troupe's workers, BullMQ's concurrency, the raw loop's deliveries in hand. */
export const atOnce = 100;
/** Messages on their way to the server at once, where the submitter decides. */
const inFlight = 512;
/** So many per second, where what counts is how long one takes. */
export const steadyPerSecond = 200;
/** Permits, and bare requests, on their way at once. */
export const permitsInFlight = 256;

/** 200 bytes of JSON. */
export const input = { x: 'a'.repeat(192) } as const;

/** How soon the disk has it: within a second, or before the answer. */
export type Sync = 'lazy' | 'always';

/** The first `warmUp` tasks are for the code to be compiled, and do not count. */
export interface Count {
  readonly warmUp: number;
  readonly tasks: number;
}

export const perSecond = (count: number, ms: number): number => (count / ms) * 1_000;

export const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * share)] ?? Number.NaN;

export const nowNs = (): bigint => process.hrtime.bigint();
export const msSince = (at: bigint): number => Number(nowNs() - at) / 1e6;

/** Calls `each` `count` times, at most `inFlight` of them unfinished at once; resolves when all have finished. */
export const pipelined = async (count: number, each: (index: number) => Promise<unknown>): Promise<void> => {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) await each(next++);
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
};

/** Calls `each` `count` times, `steadyPerSecond` a second, whatever it takes; resolves when all have finished. */
export const paced = async (count: number, each: (index: number) => Promise<unknown>): Promise<void> => {
  const start = performance.now();
  const begun: Promise<unknown>[] = [];
  for (let index = 0; index < count; index++) {
    const waitMs = start + (index * 1_000) / steadyPerSecond - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    begun.push(each(index));
  }
  await Promise.all(begun);
};
