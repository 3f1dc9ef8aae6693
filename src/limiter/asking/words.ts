/** Words on permits, as they are gathered: the same word on permits in a row is one. */
import { isSame } from '../budget.ts';
import { type Fate, mostAtOnce, type Word } from '../messages.ts';
import { isNext, type PermitId, permitText } from '../permit-id.ts';

export interface Run {
  readonly first: PermitId;
  count: number;
  readonly word: Word;
}

/** Some 350 KB: well within one message. */
const mostRuns = 2_000;

const isAlike = (a: Word, b: Word): boolean => {
  if (a.type === 'late') return b.type === 'late' && isSame(a.amount, b.amount);
  if (a.type !== 'settled' || b.type !== 'settled') return a.type === b.type;
  if (a.sent !== b.sent) return false;
  return a.actual && b.actual ? isSame(a.actual, b.actual) : a.actual === b.actual;
};

const isOn = ({ first, count }: Run, permit: PermitId): boolean => count === 1 && isNext(permit, first, 0);

/** Adds what is said of a permit now to what has been said in this tick. */
export const said = (runs: Run[], permit: PermitId, word: Word): void => {
  let whole = word;
  const before = runs.at(-1);
  if (word.type === 'settled' && before?.word.type === 'sent' && isOn(before, permit)) {
    runs.pop(); // Said in one breath, so in one word.
    whole = { ...word, sent: true };
  }
  const last = runs.at(-1);
  if (last && last.count < mostAtOnce && isNext(permit, last.first, last.count) && isAlike(last.word, whole))
    last.count += 1;
  else runs.push({ first: permit, count: 1, word: whole });
};

/** As many of the first ones as one message takes. */
export const some = (runs: readonly Run[]): readonly Run[] => {
  let permits = 0;
  const end = runs.findIndex(({ count }, index) => {
    permits += count;
    return permits > mostAtOnce || index === mostRuns;
  });
  return end === -1 ? runs : runs.slice(0, end);
};

export const fateOf = ({ first, count, word }: Run): Fate => ({ ...word, permit: permitText(first), count });
