/**
 * A run's chunks as one message, whatever became of its attempts. A message is made of steps (a call of a model, and the
 * tools it asked for), and a user interface can take back no more than the step under way: so that is what is told anew
 * when another attempt takes over. The steps before it, which that attempt gives again from its record, are left out.
 */
import type { Chunk } from '../app/stream-types.ts';
import type { Follow, RunEvent } from './types.ts';

export const messageStream = (
  follow: (options: Follow) => AsyncGenerator<RunEvent>,
  { from = 0, ...following }: Follow,
): ReadableStream<Chunk> => {
  // From the beginning in any case: what is told anew depends on what was told before.
  const events = follow(following);
  const told = message();
  return new ReadableStream<Chunk>({
    pull: async (controller) => {
      for (let enqueued = false; !enqueued; ) {
        const { done, value: event } = await events.next();
        if (done) return controller.close();
        for (const chunk of told.of(event)) {
          if (event.n < from) continue;
          controller.enqueue(chunk);
          enqueued = true;
        }
      }
    },
    cancel: async () => void (await events.return(undefined)),
  });
};

/** What of the attempts before is left out: up to and with so many beginnings, or ends, of steps. */
interface Skip {
  readonly until: 'start-step' | 'finish-step';
  left: number;
}

/** Pure: the chunks that each event has to add to the message. */
export const message = (): { of(event: RunEvent): readonly Chunk[] } => {
  let attempt = 0;
  let begun = false;
  let stepsBegun = 0;
  let stepsEnded = 0;
  let skip: Skip | undefined;
  /** An attempt that broke off may be followed by one that does not: it is told at the end, if at all. */
  let broken: Chunk | undefined;

  const takeOver = (next: number): readonly Chunk[] => {
    const first = attempt === 0;
    attempt = next;
    broken = undefined;
    if (first || !begun) return [];
    const between = stepsBegun > 0 && stepsBegun === stepsEnded;
    skip = stepsBegun === 0 ? undefined : { until: between ? 'finish-step' : 'start-step', left: stepsBegun };
    return between ? [] : [{ type: 'reset-step' }];
  };

  const shown = (chunk: Chunk): readonly Chunk[] => {
    if (chunk.type === 'error' || chunk.type === 'abort') {
      broken = chunk;
      return [];
    }
    if (skip) {
      if (chunk.type === skip.until) skip.left -= 1;
      if (skip.left === 0) skip = undefined;
      return [];
    }
    if (chunk.type === 'start' && begun) return [];
    begun = true;
    if (chunk.type === 'start-step') stepsBegun += 1;
    if (chunk.type === 'finish-step') stepsEnded += 1;
    return [chunk];
  };

  return {
    of: (event) => {
      if (event.type === 'chunk') {
        const anew = event.attempt > attempt ? takeOver(event.attempt) : [];
        return event.attempt < attempt ? [] : [...anew, ...shown(event.chunk)];
      }
      if (event.type === 'failed') return [{ type: 'error', errorText: `The task failed: ${event.code}.` }];
      if (event.type === 'cancelled') return [{ type: 'abort' }];
      return event.type === 'completed' && broken ? [broken] : [];
    },
  };
};
