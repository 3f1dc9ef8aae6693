/** The same values in their order, so many at a time at most; none where there are none. */
export const portions = <Value>(values: readonly Value[], most: number): readonly Value[][] =>
  Array.from({ length: Math.ceil(values.length / most) }, (_, n) => values.slice(n * most, (n + 1) * most));
