/** Who serves a pool: nodes that have it answer for it as long as they take tasks, for whoever asks why none begins. */
import type { Bus } from '../bus/bus.ts';
import { subjects } from '../bus/subjects.ts';
import type { Start } from '../kernel/process.ts';
import { aborted } from '../kernel/signal.ts';
import { askNodes } from './ask-nodes.ts';
import type { Pool } from './pool.ts';

export interface ServingOptions {
  readonly bus: Bus;
  readonly region: string;
  readonly pools: readonly Pick<Pool, 'name'>[];
}

const nothing = new Uint8Array();

/** Answers for this node's pools. To be stopped when they are. */
export const answerServing =
  ({ bus, region, pools }: ServingOptions): Start =>
  (signal) => {
    const subscriptions = pools.map(({ name }) =>
      bus.subscribe(subjects.serves(region, name), ({ reply }) => {
        if (reply !== undefined) bus.publish(reply, nothing);
      }),
    );
    const unsubscribe = (): void => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    };
    return Promise.resolve({ exit: aborted(signal).then(unsubscribe) });
  };

/** Whether a node that can be reached takes tasks from the pool. */
export const isServed = async (bus: Bus, region: string, pool: string): Promise<boolean> =>
  (await askNodes(bus, subjects.serves(region, pool))) !== undefined;
