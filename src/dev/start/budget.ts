/** How much of a budget was used, by the provider's own log of what has reached it. */
import type { Arrival } from '../model-server.ts';
import type { Limit, Limits } from '../model-window.ts';

export interface Use {
  readonly unit: 'requests' | 'tokens';
  readonly limit: Limit;
  /** Of the limit, in all whole windows from the first arrival to the last; undefined where there was none. */
  readonly share: number | undefined;
  readonly windows: number;
  /** The most that any window held, wherever it began. */
  readonly most: number;
}

interface Event {
  readonly atMs: number;
  readonly amount: number;
}

/** `events`: oldest first. */
const mostIn = (events: readonly Event[], perMs: number): number => {
  let [sum, most, first] = [0, 0, 0];
  for (const { atMs, amount } of events) {
    sum += amount;
    for (let oldest = events[first]; oldest && oldest.atMs <= atMs - perMs; oldest = events[first]) {
      sum -= oldest.amount;
      first += 1;
    }
    most = Math.max(most, sum);
  }
  return most;
};

const useOf = (unit: Use['unit'], limit: Limit, events: readonly Event[]): Use => {
  const [from, to] = [events[0]?.atMs ?? 0, events.at(-1)?.atMs ?? 0];
  const windows = Math.floor((to - from) / limit.perMs);
  const within = events.filter(({ atMs }) => atMs < from + windows * limit.perMs);
  const used = within.reduce((sum, { amount }) => sum + amount, 0);
  const share = windows > 0 ? used / (windows * limit.limit) : undefined;
  return { unit, limit, share, windows, most: mostIn(events, limit.perMs) };
};

/** One for each limit. Tokens are those that were used, not those that were reserved. */
export const usesOf = ({ requests = [], tokens = [] }: Limits, arrivals: readonly Arrival[]): readonly Use[] => {
  const admitted = arrivals.filter(({ outcome }) => outcome !== 'refused');
  const calls = admitted.map(({ atMs }) => ({ atMs, amount: 1 }));
  const used = admitted.map(({ atMs, tokens: asked, used: amount = asked }) => ({ atMs, amount }));
  return [
    ...[requests].flat().map((limit) => useOf('requests', limit, calls)),
    ...[tokens].flat().map((limit) => useOf('tokens', limit, used)),
  ];
};
