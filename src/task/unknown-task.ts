/** What is done with a task of a type that this node's app does not have. */
import type { Runnable } from './executor.ts';
import type { Task } from './message.ts';

/** How long a new version may take to reach all nodes. */
export const deployingMs = 5 * 60_000;

/**
 * Whoever put it into the pool knew it: it is another version's, while that is being deployed. So it goes back, for a node
 * that has it, and counts no failure, until a deployment would be over.
 */
export const unknownTask = ({ type }: Task, now: () => number): Runnable => ({
  timeoutMs: 60_000,
  retry: { max: Number.POSITIVE_INFINITY, firstMs: 0, factor: 1, maxMs: 0 },
  run: async ({ number, startedAt }) => {
    const code = 'unknown_task';
    const why = `the app of the node that was given it has no task "${type}"`;
    if (now() - startedAt >= deployingMs)
      return {
        type: 'refused',
        reason: code,
        error: { code, message: `${why}; deploy it, then redrive the dead letter` },
      };
    const retryAfterMs = Math.min(60_000, 1_000 * 2 ** number);
    return { type: 'failed', untried: true, retryAfterMs, error: { code, message: `${why}; another node's may` } };
  },
});
