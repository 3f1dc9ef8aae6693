/**
 * Values that come and go all the time, under numbers. A Map in this place would make a new table again and again, and
 * each outgrown one refers to the next: once one has outlived the young generation, its successors do too, with all that
 * they held. Measured: a sixth of a worker process's CPU was the collector's.
 */
export interface Numbered<Value> {
  size(): number;
  /** Answers its number, which no other value has had or will have. */
  add(value: Value): number;
  get(number: number): Value | undefined;
  remove(number: number): Value | undefined;
  /** Those of now, in no order. */
  values(): readonly Value[];
  /** The same, each with its number. */
  entries(): readonly (readonly [number: number, value: Value])[];
}

/** A power of 2. */
const placesAtFirst = 64;

export const numbered = <Value extends object>(): Numbered<Value> => {
  // A value's place is its number, but for the high bits.
  let places: (Value | undefined)[] = Array.from({ length: placesAtFirst });
  let numbers: number[] = Array.from({ length: placesAtFirst }, () => -1);
  let size = 0;
  let next = 0;

  const placeOf = (number: number): number => number & (places.length - 1);
  const get = (number: number): Value | undefined => {
    const place = placeOf(number);
    return numbers[place] === number ? places[place] : undefined;
  };
  const entries = (): [number, Value][] =>
    places.flatMap((value, place) => (value === undefined ? [] : [[numbers[place] ?? -1, value]]));

  const grow = (): void => {
    const before = entries();
    const length = places.length * 2;
    places = Array.from({ length });
    numbers = Array.from({ length }, () => -1);
    for (const [number, value] of before) put(number, value);
  };
  const put = (number: number, value: Value): void => {
    const place = placeOf(number);
    places[place] = value;
    numbers[place] = number;
  };

  return {
    size: () => size,
    add: (value) => {
      // Half of the places stay free: the next one is not far, however long some values stay.
      if (size * 2 >= places.length) grow();
      while (places[placeOf(next)] !== undefined) next += 1;
      put(next, value);
      size += 1;
      return next++;
    },
    get,
    remove: (number) => {
      const value = get(number);
      if (value === undefined) return undefined;
      places[placeOf(number)] = undefined;
      size -= 1;
      return value;
    },
    values: () => places.filter((value) => value !== undefined),
    entries,
  };
};
