/** The known name that was probably meant, for an error's last words: `; did you mean "default"?`, or nothing. */
export const didYouMean = (name: string, known: Iterable<string>): string => {
  const nearest = closest(name, known);
  return nearest === undefined ? '' : `; did you mean "${nearest}"?`;
};

const closest = (name: string, known: Iterable<string>): string | undefined => {
  let best: string | undefined;
  // Two slips in a long name, one in a short one: further away it is another word.
  let limit = name.length < 4 ? 1 : Math.min(3, Math.ceil(name.length / 3));
  if (name.length > 64) return undefined;
  for (const candidate of known) {
    const away = distance(name.toLowerCase(), candidate.toLowerCase());
    if (away > limit || (away === limit && best !== undefined)) continue;
    best = candidate;
    limit = away;
  }
  return best;
};

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b`. */
const distance = (a: string, b: string): number => {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          (last[j] ?? 0) + 1,
          (row[j - 1] ?? 0) + 1,
          (last[j - 1] ?? 0) + (same ? 0 : 1),
          swapped ? (beforeLast[j - 2] ?? 0) + 1 : Infinity,
        ),
      );
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
};
