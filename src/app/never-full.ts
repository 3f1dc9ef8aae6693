import type { Log } from '../kernel/log.ts';
import type { ResolvedApp, ResolvedPool } from './resolved.ts';

/**
 * Says of which tasks no batch will ever be full: each waits in a worker's hands, and a node has fewer of them. Such a
 * batch begins when its `wait` is over, and never before.
 */
export const tellNeverFull = (
  log: Log,
  { tasks, pools }: Pick<ResolvedApp, 'tasks' | 'pools'>,
  workersOf: (pool: ResolvedPool) => number,
): void => {
  for (const { name, pool: poolName, batch } of tasks.values()) {
    const pool = pools.get(poolName);
    if (!batch || !pool || batch.size <= workersOf(pool)) continue;
    log.warn(
      { task: name, size: batch.size, pool: poolName, workers: workersOf(pool) },
      'no batch of this task will ever be full, as its pool has fewer workers on a node than its size: each waits as long as it may; raise `workers.min` of the pool, or lower `size`',
    );
  }
};
