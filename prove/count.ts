/** How many there are of each kind. */
export const countedBy = <T>(all: readonly T[], kindOf: (one: T) => string): Readonly<Record<string, number>> =>
  Object.fromEntries([...Map.groupBy(all, kindOf)].map(([kind, of]) => [kind, of.length]));
