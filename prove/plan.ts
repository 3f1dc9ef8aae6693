/** When which fault is: drawn beforehand from a seed, so that a run can be had again. */
import type { Random } from '../src/kernel/random.ts';

export const faultKinds = ['killed', 'paused', 'cut off'] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Of whoever grants at that moment. */
export interface Fault {
  readonly atMs: number;
  readonly kind: FaultKind;
  /** How long it lasts: until it is awake, whole, or started anew. */
  readonly lastsMs: number;
}

const firstMs = 1_000;
const between = (random: Random, least: number, most: number): number => least + (most - least) * random.next();

/** In an order of chance. */
export const shuffled = <T>(random: Random, all: readonly T[]): readonly T[] =>
  all
    .map((one) => ({ one, at: random.next() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ one }) => one);

/** One every 5 to 10 s, each kind once in three, and each over before the next, so that somebody can take over. */
export const plan = (random: Random, forMs: number): readonly Fault[] => {
  const faults: Fault[] = [];
  let kinds: readonly FaultKind[] = [];
  let atMs = firstMs;
  while (atMs < forMs - 5_000) {
    if (kinds.length === 0) kinds = shuffled(random, faultKinds);
    const [kind = 'killed', ...rest] = kinds;
    kinds = rest;
    const gapMs = between(random, 5_000, 10_000);
    faults.push({ atMs, kind, lastsMs: Math.min(between(random, 3_000, 6_000), gapMs - 500) });
    atMs += gapMs;
  }
  return faults;
};
