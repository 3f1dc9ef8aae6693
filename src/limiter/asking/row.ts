/**
 * Those that wait, in the order in which they joined, which is that of their numbers. An array: a Map that as many leave
 * as join is moved to a new table again and again, and the tables it has left keep what they held from the young
 * generation's collector (a third of a busy client's time).
 */
export interface Row<Who extends { readonly id: number }> {
  readonly all: readonly Who[];
  find(id: number): Who | undefined;
  /** Its number is larger than any before. */
  join(who: Who): void;
  /** It leaves. */
  take(id: number): Who | undefined;
}

export const row = <Who extends { readonly id: number }>(): Row<Who> => {
  const all: Who[] = [];

  /** Most leave in their order, so it is looked for there first. */
  const placeOf = (id: number): number => {
    if (all[0]?.id === id) return 0;
    let [low, high] = [0, all.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((all[middle]?.id ?? id) < id) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  return {
    all,
    find: (id) => {
      const found = all[placeOf(id)];
      return found?.id === id ? found : undefined;
    },
    join: (who) => void all.push(who),
    take: (id) => {
      const place = placeOf(id);
      return all[place]?.id === id ? all.splice(place, 1)[0] : undefined;
    },
  };
};
