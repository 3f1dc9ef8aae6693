/** What follows something goes on through outages: it asks again until there is an answer, or its life is over. */
import type { Subscription } from '../bus/bus.ts';
import { unlessAborted } from '../kernel/signal.ts';
import { isUnanswered, untilAnswered } from '../kernel/unanswered.ts';
import type { Core } from './core.ts';

export interface Asking {
  /** Rejects when the life is over, at once and whatever is still on its way, and with what is an answer. */
  <Answer>(question: () => Promise<Answer>): Promise<Answer>;
  /** The same for a reading, which is let go of if it begins only after the life's end. */
  reading(open: () => Promise<Subscription>): Promise<Subscription>;
}

/** `what`: for the log. */
export const asking = ({ ports: { clock, random, log } }: Core, signal: AbortSignal, what: string): Asking => {
  const ask = <Answer>(question: () => Promise<Answer>): Promise<Answer> =>
    untilAnswered({ clock, random, signal }, () =>
      unlessAborted(signal, question()).catch((error: unknown) => {
        if (!signal.aborted && isUnanswered(error)) log.debug({ err: error, task: what }, 'no answer: asked again');
        throw error;
      }),
    );
  const opened = async (open: () => Promise<Subscription>): Promise<Subscription> => {
    const subscription = await open();
    if (signal.aborted) subscription.unsubscribe();
    return subscription;
  };
  return Object.assign(ask, { reading: (open: () => Promise<Subscription>) => ask(() => opened(open)) });
};
