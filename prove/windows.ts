/**
 * Every window there is, not only those that begin on the second. What a window (t, t + W] holds changes only when
 * something arrives at its end or drops out at its start, so two pointers over the sorted arrivals, one W behind the
 * other, meet every sum that any window can have. What arrived exactly W before has left: the window is open at its start.
 */

export interface Limit {
  readonly unit: 'requests' | 'tokens';
  readonly limit: number;
  readonly perMs: number;
}

export interface Event {
  readonly atMs: number;
  readonly amount: number;
}

/** From `atMs` on, until the next one, the window that ends then holds `sum`. */
export interface Step {
  readonly atMs: number;
  readonly sum: number;
}

/** In any order. One step for each instant at which something changes, oldest first. */
export const steps = (events: readonly Event[], perMs: number): readonly Step[] => {
  const sorted = events.toSorted((a, b) => a.atMs - b.atMs);
  const found: Step[] = [];
  let sum = 0;
  let leaving = 0;
  let entering = 0;
  while (leaving < sorted.length) {
    const leavesMs = (sorted[leaving]?.atMs ?? 0) + perMs;
    const atMs = Math.min(leavesMs, sorted[entering]?.atMs ?? Infinity);
    while (leaving < entering && (sorted[leaving]?.atMs ?? 0) + perMs === atMs) sum -= sorted[leaving++]?.amount ?? 0;
    while (entering < sorted.length && sorted[entering]?.atMs === atMs) sum += sorted[entering++]?.amount ?? 0;
    found.push({ atMs, sum });
  }
  return found;
};

export interface Fullest {
  readonly sum: number;
  /** Where the window that holds it ends. */
  readonly endsMs: number;
}

export const fullest = (all: readonly Step[]): Fullest =>
  all.reduce<Fullest>((most, { atMs, sum }) => (sum > most.sum ? { sum, endsMs: atMs } : most), { sum: 0, endsMs: 0 });

/** How many instants there are from which on a window holds more than `limit`. */
export const overs = (all: readonly Step[], limit: number): number => all.filter(({ sum }) => sum > limit).length;

/** What share of their limit the fullest of several windows holds, at each instant at which that changes. */
export const shares = (
  all: readonly { readonly steps: readonly Step[]; readonly limit: number }[],
): readonly Step[] => {
  const changes = all
    .flatMap(({ steps: of, limit }, which) => of.map(({ atMs, sum }) => ({ atMs, which, share: sum / limit })))
    .toSorted((a, b) => a.atMs - b.atMs);
  const now = all.map(() => 0);
  return changes.map(({ atMs, which, share }) => {
    now[which] = share;
    return { atMs, sum: Math.max(...now) };
  });
};

/**
 * The mean of `all` over the time from `fromMs` to `toMs`. Greedy demand comes in bursts, and counting what arrived
 * between two instants tells more or less of them than there were; the mean of what each window held does not.
 */
export const mean = (all: readonly Step[], fromMs: number, toMs: number): number => {
  let area = 0;
  all.forEach(({ atMs, sum }, index) => {
    const begins = Math.max(fromMs, atMs);
    const ends = Math.min(toMs, all[index + 1]?.atMs ?? toMs);
    if (ends > begins) area += sum * (ends - begins);
  });
  return toMs > fromMs ? area / (toMs - fromMs) : 0;
};
