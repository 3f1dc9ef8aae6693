/** Permits in a test's memory: granted at once, and counted by nobody; a node that is dead is given none. */
import type { Permits } from '../limiter/permits.ts';

export const freePermits = (node: { readonly dead: boolean } = { dead: false }): Permits => {
  let granted = 0;
  const nothing = (): void => {};
  return {
    acquire: async (budget, { signal }) => {
      if (node.dead) return new Promise(() => {});
      signal.throwIfAborted();
      granted += 1;
      return {
        id: { epoch: 0, slice: 0, number: granted },
        budget,
        waitedMs: 0,
        inTime: () => true,
        begun: nothing,
        whenOver: () => ({ cancel: nothing }),
        sent: nothing,
        heard: nothing,
        unsent: nothing,
        settle: nothing,
      };
    },
    penalize: nothing,
    waitMs: () => 0,
    waitsOf: () => [],
  };
};
