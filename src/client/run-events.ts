/** Following one run: its record and what it shows, merged into one story, from wherever the reader left off. */
import type { Subscription } from '../bus/bus.ts';
import type { Stored } from '../bus/queue.ts';
import type { Timer } from '../kernel/clock.ts';
import type { NotFoundError } from '../kernel/errors.ts';
import { type Mailbox, mailbox } from '../kernel/mailbox.ts';
import type { Entry } from '../kv/kv.ts';
import { decodeRecord, isTerminal } from '../task/record.ts';
import { statusOf, type TaskStatus } from '../task/status.ts';
import { asking } from './asking.ts';
import type { Core, Life } from './core.ts';
import { leaving } from './leaving.ts';
import { lastShown, reached, type Shown, shownSince } from './shown.ts';
import { story } from './story.ts';
import { tokensOf } from './tokens.ts';
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
  /** What the run has shown before its end, and did not arrive, had its time: if it is still there, it gets more. */
  | { readonly type: 'late' };

interface End {
  readonly status: TaskStatus;
  readonly at: Date;
  /** The last one. */
  readonly shown: Shown;
}

const lateMs = 2_000;

export const runEvents = (
  core: Core,
  followed: Followed,
  { from = 0, abortSignal }: Follow,
): AsyncGenerator<RunEvent> => leaving(core, abortSignal, (begin) => eventsFrom(core, followed, from, begin));

async function* eventsFrom(core: Core, followed: Followed, from: number, begin: () => Life): AsyncGenerator<RunEvent> {
  const { clock, queue } = core.ports;
  const { recordKey } = followed;
  const life = begin();
  const seen = mailbox<Seen>(life.signal);
  const ask = asking(core, life.signal, recordKey);
  const tokens = tokensOf(core, recordKey, {
    ask,
    deliver: (stored) => {
      seen.pushOwn({ type: 'token', stored });
      return seen.size;
    },
    again: () => seen.pushOwn({ type: 'again' }),
  });
  let records: Subscription | undefined;
  let end: End | undefined;
  let late: Timer | undefined;
  try {
    const first = await tokens.read(from);
    const told = story(first);
    const since = await ask(() => shownSince(core, recordKey));
    records = await ask.reading(() => watchRecord(core, recordKey, seen));
    let last: Shown = { seq: Math.max(0, first - 1), at: Number.POSITIVE_INFINITY };
    for await (const each of seen) {
      if (each.type === 'token') {
        late?.cancel();
        late = undefined;
        if (each.stored.at >= since) yield* told.token(each.stored);
        last = each.stored;
      } else if (each.type === 'record') yield* told.record(each.entry);
      if (!end && (each.type === 'record' || each.type === 'recordless')) {
        end = await ask(() => endBy(core, followed, each));
        if (!end) yield* told.queued(new Date(queue.now()));
      }
      if (each.type === 'late') late = undefined;
      if (end && reached(last, each.type === 'late' ? await ask(() => lastShown(core, recordKey)) : end.shown)) {
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
  return isTerminal(status)
    ? { status, at: new Date(ports.queue.now()), shown: await lastShown(core, recordKey) }
    : undefined;
};
