/** What follows when a node is killed: which of its tasks go on elsewhere, and after how long. */
import type { Item } from './batch.ts';
import { type Following, isOf, until } from './follow.ts';

export interface Takeover {
  readonly item: Item;
  /** The worker that went on with it. */
  readonly worker: string;
  /** From the kill to its first sign of life elsewhere. */
  readonly afterMs: number;
}

export interface TakeoverOptions {
  readonly following: Following;
  readonly node: string;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** Told of each as it comes. */
  readonly taken?: (takeover: Takeover) => void;
}

/** Call it when the node is dead. Resolves when each of the tasks that it held has gone on elsewhere. */
export const takeovers = async (options: TakeoverOptions): Promise<readonly Takeover[]> => {
  const { following, node, now, signal, taken } = options;
  const killedMs = now();
  const held = new Set(following.heldBy(node).map(({ key }) => key));
  const all: Takeover[] = [];
  const stop = following.onChange((item, sight) => {
    if (isOf(node, sight)) {
      // What the node wrote before it died may be told only now.
      if (sight.status === 'running') held.add(item.key);
      else held.delete(item.key);
    }
    if (isOf(node, sight) || !held.delete(item.key)) return;
    const takeover = { item, worker: sight.worker ?? '', afterMs: now() - killedMs };
    all.push(takeover);
    taken?.(takeover);
  });
  await until(following, () => held.size === 0, signal).finally(stop);
  return all;
};
