/** Following one run: its record and what it shows, merged into one story, from wherever the reader left off. */
import type { Subscription } from '../bus/bus.ts';
import type { Stored } from '../bus/queue.ts';
import { streams, subjects } from '../bus/subjects.ts';
import type { Timer } from '../kernel/clock.ts';
import { NotFoundError } from '../kernel/errors.ts';
import { ifFound } from '../kernel/found.ts';
import { type Mailbox, mailbox } from '../kernel/mailbox.ts';
import type { Entry } from '../kv/kv.ts';
import { decodeRecord, isTerminal } from '../task/record.ts';
import { statusOf, type TaskStatus } from '../task/status.ts';
import type { Core, Life } from './core.ts';
import { leaving } from './leaving.ts';
import { lastShown, nothingShown, reached, type Shown, shownSince } from './shown.ts';
import { story } from './story.ts';
import type { Follow, RunEvent } from './types.ts';

export interface Followed {
  readonly recordKey: string;
  /** Accepted just now. */
  readonly fresh: boolean;
  readonly missing: () => NotFoundError;
}

type Seen =
  | { readonly type: 'record'; readonly entry: Entry }
  /** There is none yet, or none any more. */
  | { readonly type: 'recordless' }
  | { readonly type: 'token'; readonly stored: Stored }
  /** The stream of what is shown may be there by now. */
  | { readonly type: 'again' }
  /** What the run has shown before its end, and did not arrive, had its time. */
  | { readonly type: 'late' };

interface End {
  readonly status: TaskStatus;
  readonly at: Date;
  /** The last one. */
  readonly shown: Shown;
}

/** With more than this unread, reading stops until the reader has caught up. */
const unreadMost = 2_000;
const lateMs = 2_000;
/** After a restart of the server its streams in memory are gone, until a node makes them again. */
const absentMs = 1_000;

export const runEvents = (
  core: Core,
  followed: Followed,
  { from = 0, abortSignal }: Follow,
): AsyncGenerator<RunEvent> => leaving(core, abortSignal, (begin) => eventsFrom(core, followed, from, begin));

async function* eventsFrom(core: Core, followed: Followed, from: number, begin: () => Life): AsyncGenerator<RunEvent> {
  const { clock, queue } = core.ports;
  const life = begin();
  const seen = mailbox<Seen>(life.signal);
  const tokens = tokensOf(core, followed.recordKey, seen);
  let records: Subscription | undefined;
  let end: End | undefined;
  let late: Timer | undefined;
  try {
    const first = await valid(core, from);
    const told = story(first);
    const since = await shownSince(core, followed.recordKey);
    await tokens.read(Math.max(1, first));
    records = await watchRecord(core, followed.recordKey, seen);
    let last: Shown = { seq: first - 1, at: Number.POSITIVE_INFINITY };
    for await (const each of seen) {
      if (each.type === 'token') {
        late?.cancel();
        late = undefined;
        if (each.stored.at >= since) yield* told.token(each.stored);
        last = each.stored;
      } else if (each.type === 'record') yield* told.record(each.entry);
      if (!end && (each.type === 'record' || each.type === 'recordless')) {
        end = await endBy(core, followed, each);
        if (!end) yield* told.queued(new Date(queue.now()));
      }
      if (end && (each.type === 'late' || reached(last, end.shown))) {
        yield told.end(end.status, end.at, end.shown.seq);
        return;
      }
      if (seen.size > 0) continue;
      await tokens.resume();
      // From here on nothing is unread, and what comes has yet to come: a slow reader is none of its lateness.
      if (end) late ??= clock.timer(lateMs, () => seen.pushOwn({ type: 'late' }));
    }
  } catch (error) {
    // Whoever ended it has taken away what it stood on.
    if (!life.signal.aborted) throw error;
  } finally {
    life.end();
    late?.cancel();
    records?.unsubscribe();
    tokens.stop();
  }
}

/** 0 where the numbers have begun anew since: the stream is in the server's memory. */
const valid = async ({ ports: { queue } }: Core, from: number): Promise<number> => {
  if (from <= 1) return from;
  const stream = await ifFound(queue.streamInfo(streams.tokens));
  // The end's number is one more than any that is stored.
  return stream && from <= stream.lastSeq + 2 ? from : 0;
};

const watchRecord = async ({ ports }: Core, recordKey: string, seen: Mailbox<Seen>): Promise<Subscription> => {
  let any = false;
  return ports.records.watch(
    recordKey,
    (_key, entry) => {
      if (!entry) return;
      any = true;
      seen.pushOwn({ type: 'record', entry });
    },
    {
      caughtUp: () => {
        if (!any) seen.pushOwn({ type: 'recordless' });
      },
    },
  );
};

const endBy = async (
  core: Core,
  { recordKey, fresh, missing }: Followed,
  seen: Extract<Seen, { type: 'record' | 'recordless' }>,
): Promise<End | undefined> => {
  const { ports } = core;
  if (seen.type === 'record') {
    const record = decodeRecord(seen.entry.value);
    if (!record || !isTerminal(record)) return undefined;
    const at = new Date(record.finishedAt ?? seen.entry.at);
    const [status, shown] = await Promise.all([statusOf(ports.blobs, record), lastShown(core, recordKey)]);
    return { status, at, shown };
  }
  if (fresh) return undefined;
  const status = await core.find(recordKey);
  if (!status) throw missing();
  return isTerminal(status) ? { status, at: new Date(ports.queue.now()), shown: nothingShown } : undefined;
};

/** Reads what a run shows, but never much further than its reader. */
const tokensOf = ({ ports: { queue, clock } }: Core, recordKey: string, seen: Mailbox<Seen>) => {
  let next = 1;
  let state: 'reading' | 'paused' | 'absent' | 'stopped' = 'reading';
  let reading: Subscription | undefined;
  let retry: Timer | undefined;

  const deliver = (stored: Stored): void => {
    if (state !== 'reading') return;
    next = stored.seq + 1;
    seen.pushOwn({ type: 'token', stored });
    if (seen.size < unreadMost) return;
    state = 'paused';
    reading?.unsubscribe();
  };

  const read = async (seq: number): Promise<void> => {
    next = seq;
    state = 'reading';
    try {
      reading = await queue.tail(streams.tokens, { filter: subjects.tokens(recordKey), from: { seq }, deliver });
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      if (state !== 'reading') return;
      state = 'absent';
      retry = clock.timer(absentMs, () => seen.pushOwn({ type: 'again' }));
    }
    if (state !== 'reading') reading?.unsubscribe();
  };

  return {
    read,
    resume: async (): Promise<void> => {
      retry?.cancel();
      if (state === 'paused' || state === 'absent') await read(next);
    },
    stop: (): void => {
      state = 'stopped';
      retry?.cancel();
      reading?.unsubscribe();
    },
  };
};
