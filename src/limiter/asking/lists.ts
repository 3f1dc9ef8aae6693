/** A client's lists of those that wait: which of them still count, and what goes into one. */
import { type Lane, lanes } from '../../bus/subjects.ts';
import { isSame } from '../budget.ts';
import { longestMs, type Wish } from '../messages.ts';
import type { Wanted } from '../permits.ts';

export interface Waiting {
  readonly id: number;
  readonly wanted: Wanted;
  readonly sinceMs: number;
}

/** When which list was sent. A list whose time is over is gone for good, whatever answers it later. */
export const lists = (permitMs: number) => {
  const sentMs = new Map<number, number>();
  let n = 0;
  let heard = 0;
  /** Once this list or a later one is answered, whoever granted knows of all who have given up. */
  let knownBy = 0;
  return {
    /** Counts a list that is about to be sent; one that `adds` does not say who has given up. */
    next: (nowMs: number, adds: boolean): { readonly n: number; readonly live: number } => {
      for (const [list, atMs] of sentMs) {
        if (atMs + permitMs > nowMs) break;
        sentMs.delete(list);
      }
      n += 1;
      sentMs.set(n, nowMs);
      if (!adds && knownBy === Infinity) knownBy = n;
      const [live = n] = sentMs.keys();
      return { n, live };
    },
    gaveUp: (): void => void (knownBy = Infinity),
    answered: (list: number): void => void (heard = Math.max(heard, list)),
    /** Whether a grant may be on its way to somebody who has given up. */
    mayCome: (): boolean => heard < knownBy,
    /** Until when a grant that answers this list may be used; undefined if it never may. */
    untilMs: (list: number): number | undefined => {
      const atMs = sentMs.get(list);
      return atMs === undefined ? undefined : atMs + permitMs;
    },
  };
};

/** Of whoever grants, by epoch: the last of their answers. One that comes twice is not taken for another. */
export const answersHeard = () => {
  const last = new Map<number, number>();
  return {
    isNew: ({ epoch, seq }: { readonly epoch: number; readonly seq: number }): boolean => {
      const before = last.get(epoch) ?? 0;
      last.delete(epoch);
      last.set(epoch, Math.max(before, seq));
      for (const old of last.keys()) if (last.size > epochsMost) last.delete(old);
      return seq > before;
    },
  };
};

/** Whoever has not spoken for so many takeovers is gone. */
const epochsMost = 8;

/** Who goes into a list: all, or, where they are too many, of each lane and tenant the same number, in their order. */
export const chosen = (waiting: readonly Waiting[], most: number): readonly Waiting[] => {
  if (waiting.length <= most) return waiting;
  const groups = new Map<string, Waiting[]>();
  for (const each of waiting) {
    const key = `${each.wanted.lane} ${each.wanted.tenant}`;
    const group = groups.get(key);
    if (group) group.push(each);
    else groups.set(key, [each]);
  }
  const picked: Waiting[] = [];
  for (let place = 0; picked.length < most; place += 1) {
    for (const group of groups.values()) {
      const next = group[place];
      if (next && picked.length < most) picked.push(next);
    }
  }
  return picked;
};

/** What is no number would make the whole list unreadable. */
const bounded = (ms: number): number => Math.round(Math.max(0, Number.isNaN(ms) ? longestMs : Math.min(longestMs, ms)));
const known = (lane: Lane): Lane => (lanes.includes(lane) ? lane : 'normal');

const isAlike = (a: Wanted, b: Wanted): boolean =>
  a === b || (a.lane === b.lane && a.tenant === b.tenant && a.holdMs === b.holdMs && isSame(a.amount, b.amount));

const wish = ({ id, wanted }: Waiting, waitedMs: number): Wish => ({
  ...wanted.amount,
  id,
  count: 1,
  lane: known(wanted.lane),
  tenant: wanted.tenant.slice(0, 512),
  waitedMs,
  holdMs: bounded(wanted.holdMs),
});

/** Those in a row that are alike are one wish. */
export const wishes = (waiting: readonly Waiting[], nowMs: number): Wish[] => {
  const all: Wish[] = [];
  let last: Waiting | undefined;
  for (const each of waiting) {
    const run = all.at(-1);
    const waitedMs = bounded(nowMs - each.sinceMs + (each.wanted.waitedMs ?? 0));
    const joins =
      run && last && each.id === last.id + 1 && waitedMs === run.waitedMs && isAlike(each.wanted, last.wanted);
    if (joins) run.count += 1;
    else all.push(wish(each, waitedMs));
    last = each;
  }
  return all;
};
