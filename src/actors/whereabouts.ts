/**
 * Who runs a task, and what it waits for in its handler: for whoever asks why it does not go on. No record says that, so
 * all nodes are asked, and the one that runs it answers.
 */
import { z } from 'zod';
import type { Bus } from '../bus/bus.ts';
import { decodeAs, encodeJson } from '../bus/json.ts';
import { subjects } from '../bus/subjects.ts';
import type { Start } from '../kernel/process.ts';
import { aborted } from '../kernel/signal.ts';
import type { Permits } from '../limiter/permits.ts';
import { askNodes } from './ask-nodes.ts';
import type { Pool } from './pool.ts';

const whereabouts = z.object({
  node: z.string(),
  /** For permits, in the order in which it began to. */
  waits: z.array(z.object({ budget: z.string(), waitedMs: z.number(), why: z.string() })),
});

export type Whereabouts = z.infer<typeof whereabouts>;

export interface WhereaboutsOptions {
  readonly bus: Bus;
  readonly node: string;
  readonly pools: readonly Pick<Pool, 'runs'>[];
  readonly permits: Pick<Permits, 'waitsOf'>;
}

const prefix = subjects.wheres.slice(0, -1);

/** Answers for what runs on this node. */
export const answerWhereabouts =
  ({ bus, node, pools, permits }: WhereaboutsOptions): Start =>
  (signal) => {
    const subscription = bus.subscribe(subjects.wheres, ({ subject, reply }) => {
      const recordKey = subject.slice(prefix.length);
      if (reply === undefined || !pools.some((pool) => pool.runs(recordKey))) return;
      const answer: Whereabouts = { node, waits: [...permits.waitsOf(recordKey)] };
      bus.publish(reply, encodeJson(answer));
    });
    return Promise.resolve({ exit: aborted(signal).then(() => subscription.unsubscribe()) });
  };

/** `undefined` where no node that can be reached runs it. */
export const askWhereabouts = async (bus: Bus, recordKey: string): Promise<Whereabouts | undefined> => {
  const data = await askNodes(bus, subjects.where(recordKey));
  return data && decodeAs(whereabouts, data);
};
