/** So many at once, and the others in the order in which they came. */
export interface Slots {
  /** Takes a slot: at once, which answers `undefined`, or when the promise resolves. */
  take(): Promise<void> | undefined;
  /** Gives one back. */
  give(): void;
  /** Does the work in a slot of its own, which is given back however that ends. */
  hold<Result>(work: () => Promise<Result>): Promise<Result>;
  /** Resolves when no slot is taken. */
  free(): Promise<void>;
}

export const slots = (most: number): Slots => {
  let taken = 0;
  // Read from the front by index: shifting a long array costs its length.
  let waiting: (() => void)[] = [];
  let next = 0;
  let freed: (() => void)[] = [];

  const take = (): Promise<void> | undefined => {
    if (taken === most) return new Promise((resolve) => waiting.push(resolve));
    taken += 1;
    return undefined;
  };

  const give = (): void => {
    const first = waiting[next];
    if (first) {
      next += 1;
      first();
      return;
    }
    waiting = [];
    next = 0;
    taken -= 1;
    if (taken > 0) return;
    for (const resolve of freed) resolve();
    freed = [];
  };

  return {
    take,
    give,
    hold: async (work) => {
      await take();
      try {
        return await work();
      } finally {
        give();
      }
    },
    free: () => (taken === 0 ? Promise.resolve() : new Promise((resolve) => freed.push(resolve))),
  };
};
