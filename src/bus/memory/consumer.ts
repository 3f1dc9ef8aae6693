/**
 * A durable consumer: what has been handed out stays pending until it is settled or its ack wait is over;
 * then it is handed out again, before anything new and whatever the limit of pending messages.
 */
import type { Clock } from '../../kernel/clock.ts';
import type { ConsumerInfo, ConsumerSpec, Stored } from '../queue.ts';
import { type Matcher, matcher } from './matching.ts';
import { outstanding } from './outstanding.ts';
import { type Pull, pulls } from './pulls.ts';
import type { Stream } from './stream.ts';
import type { Timers } from './timers.ts';

export interface MemoryConsumer {
  readonly spec: ConsumerSpec;
  update(spec: ConsumerSpec): void;
  /** `waitMs` 0: hands out what there is and ends. */
  pull(pull: Pull, waitMs: number): void;
  /** Without a word to who asked: it is not there any more. */
  forget(pull: Pull): void;
  ack(seq: number): void;
  /** `number` is that of the delivery. */
  nak(seq: number, number: number, delayMs: number): void;
  working(seq: number): void;
  /** Hands out a second time what is still pending, as an ack wait that was too short does. */
  repeat(seq: number): void;
  info(): ConsumerInfo;
  /** `crash`: it also forgets what it has not written down, which is every delivery that is not settled. */
  suspend(crash: boolean): void;
  resume(): void;
}

export const memoryConsumer = (stream: Stream, initial: ConsumerSpec, clock: Clock, timers: Timers): MemoryConsumer => {
  let spec = initial;
  const waiting = pulls(clock, timers);
  const pending = outstanding({ clock, timers, ackWaitMs: () => spec.ackWaitMs, expired: () => pump() });
  const news = unseen(stream, initial.filter);
  let deliveriesMade = 0;
  /** The server takes no nak of deliveries up to this one: their messages come again after the ack wait only. */
  let deafThrough = 0;

  const nextAgain = (): Stored | undefined => {
    for (let seq = pending.take(); seq !== undefined; seq = pending.take()) {
      const message = stream.messages.get(seq);
      if (message) return message;
      pending.settle(seq);
    }
    return undefined;
  };

  const pump = (): void => {
    while (waiting.size > 0) {
      const message = nextAgain() ?? (pending.size < spec.maxAckPending ? news.next() : undefined);
      if (!message) return;
      const number = (deliveriesMade += 1);
      const deliveries = pending.hold(message.seq, number);
      waiting.next()?.deliver({ message, number, deliveries, pending: news.count });
    }
  };

  const acked = (seq: number): void => {
    if (spec.ack === 'through') pending.settleThrough(seq);
    pending.settle(seq);
  };

  /** A purge of what is in hands makes the server take all that was handed out before it for settled by number. */
  const purge = (seq: number): void => {
    deafThrough = Math.max(deafThrough, pending.numberOf(seq) ?? 0);
    pending.settle(seq);
  };

  stream.watchers.add({
    added: (message) => {
      if (news.added(message)) pump();
    },
    removed: (message, purged) => {
      news.removed(message);
      if (!pending.has(message.seq)) return;
      // The server takes the end of a message for its ack: where that settles all before it, they never come again.
      if (purged) purge(message.seq);
      else acked(message.seq);
      pump();
    },
  });

  return {
    get spec() {
      return spec;
    },
    update: (next) => {
      spec = next;
      news.filterBy(spec.filter);
      pump();
    },
    pull: (pull, waitMs) => {
      waiting.add(pull, waitMs);
      pump();
      if (waitMs <= 0 && waiting.remove(pull)) pull.ended('empty');
    },
    forget: (pull) => void waiting.remove(pull),
    ack: (seq) => {
      if (seq >= news.position) return;
      acked(seq);
      if (stream.spec.keep === 'work') stream.remove(seq);
      pump();
    },
    nak: (seq, number, delayMs) => {
      if (number <= deafThrough) return;
      if (delayMs > 0) return pending.postpone(seq, delayMs);
      pending.repeat(seq);
      pump();
    },
    working: (seq) => pending.postpone(seq, spec.ackWaitMs),
    repeat: (seq) => {
      pending.repeat(seq);
      pump();
    },
    info: () => ({
      pending: news.count,
      ackPending: pending.size,
      redelivered: pending.repeated,
      waiting: waiting.size,
      ackFloor: (pending.first ?? news.position) - 1,
      handedOut: news.position - 1,
    }),
    suspend: (crash) => {
      waiting.clear();
      pending.suspend();
      if (crash && pending.first !== undefined) {
        news.goBackTo(pending.first);
        pending.settleThrough(stream.lastSeq);
      }
    },
    resume: pending.resume,
  };
};

/** What a consumer has not handed out yet: how much, and which is next. */
const unseen = (stream: Stream, initial: string) => {
  let wanted = initial;
  let match: Matcher = matcher(initial);
  let position = 1;
  let count = 0;

  const filterBy = (filter: string): void => {
    wanted = filter;
    match = matcher(filter);
    count = 0;
    for (const [subject, seqs] of stream.messages.subjects()) {
      if (match(subject)) count += seqs.filter((seq) => seq >= position).length;
    }
  };
  filterBy(initial);

  return {
    get count() {
      return count;
    },
    /** The sequence from which on all are new. */
    get position() {
      return position;
    },
    filterBy,
    goBackTo: (seq: number): void => {
      position = seq;
      filterBy(wanted);
    },
    next: (): Stored | undefined => {
      while (count > 0 && position <= stream.lastSeq) {
        const message = stream.messages.get(position);
        position += 1;
        if (!message || !match(message.subject)) continue;
        count -= 1;
        return message;
      }
      return undefined;
    },
    added: ({ subject }: Stored): boolean => {
      if (!match(subject)) return false;
      count += 1;
      return true;
    },
    removed: ({ seq, subject }: Stored): void => {
      if (seq >= position && match(subject)) count -= 1;
    },
  };
};
