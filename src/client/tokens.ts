/** Reading what a run shows, from a number on, but never much further than its reader. */
import type { Subscription } from '../bus/bus.ts';
import type { Stored } from '../bus/queue.ts';
import { streams, subjects } from '../bus/subjects.ts';
import type { Timer } from '../kernel/clock.ts';
import { NotFoundError } from '../kernel/errors.ts';
import { ifFound } from '../kernel/found.ts';
import type { Asking } from './asking.ts';
import type { Core } from './core.ts';

/** With more than this unread, reading stops until the reader has caught up. */
const unreadMost = 2_000;
/** After a restart of the server its streams in memory are gone, until a node makes them again. */
const absentMs = 1_000;

export interface TokensOptions {
  readonly ask: Asking;
  /** Answers how many are unread, this one included. */
  readonly deliver: (stored: Stored) => number;
  /** The stream may be there by now: `resume`. */
  readonly again: () => void;
}

export const tokensOf = ({ ports }: Core, recordKey: string, { ask, deliver, again }: TokensOptions) => {
  const { queue, clock } = ports;
  let next = 1;
  let state: 'reading' | 'paused' | 'absent' | 'stopped' = 'reading';
  let reading: Subscription | undefined;
  let retry: Timer | undefined;

  /** 0 where the numbers have begun anew since: the stream is in the server's memory. */
  const valid = async (from: number): Promise<number> => {
    if (from <= 1) return from;
    const stream = await ifFound(queue.streamInfo(streams.tokens));
    // The end's number is one more than any that is stored.
    return stream && from <= stream.lastSeq + 2 ? from : 0;
  };

  const arrived = (stored: Stored): void => {
    if (state !== 'reading') return;
    next = stored.seq + 1;
    if (deliver(stored) < unreadMost) return;
    state = 'paused';
    reading?.unsubscribe();
  };

  /** From `next` on, which what arrives moves, also where nobody says that the reading has begun. */
  const open = async (): Promise<Subscription> => {
    next = Math.max(1, await valid(next));
    return queue.tail(streams.tokens, { filter: subjects.tokens(recordKey), from: { seq: next }, deliver: arrived });
  };

  const read = async (): Promise<void> => {
    state = 'reading';
    try {
      reading = await ask.reading(open);
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      if (state !== 'reading') return;
      state = 'absent';
      retry = clock.timer(absentMs, again);
    }
    if (state !== 'reading') reading?.unsubscribe();
  };

  return {
    /** Answers the number that it reads from, 0 where that which was wanted means nothing any more. */
    read: async (from: number): Promise<number> => {
      const first = await ask(() => valid(from));
      next = Math.max(1, first);
      await read();
      return first;
    },
    resume: async (): Promise<void> => {
      retry?.cancel();
      if (state === 'paused' || state === 'absent') await read();
    },
    stop: (): void => {
      state = 'stopped';
      retry?.cancel();
      reading?.unsubscribe();
    },
  };
};
