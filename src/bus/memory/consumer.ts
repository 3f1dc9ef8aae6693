/**
 * A durable consumer: what has been handed out stays pending until it is settled or its ack wait is over;
 * then it is handed out again, before anything new and whatever the limit of pending messages.
 */
import type { Clock } from '../../kernel/clock.ts';
import type { ConsumerInfo, ConsumerSpec, Stored } from '../queue.ts';
import { type Matcher, matcher } from './matching.ts';
import { type Pull, pulls } from './pulls.ts';
import type { Stream } from './stream.ts';
import type { Timers } from './timers.ts';

export interface MemoryConsumer {
  spec: ConsumerSpec;
  /** `waitMs` 0: hands out what there is and ends. */
  pull(pull: Pull, waitMs: number): void;
  /** Without a word to who asked: it is not there any more. */
  forget(pull: Pull): void;
  ack(seq: number): void;
  nak(seq: number, delayMs: number): void;
  working(seq: number): void;
  /** Hands out a second time what is still pending, as an ack wait that was too short does. */
  repeat(seq: number): void;
  info(): ConsumerInfo;
  suspend(): void;
  resume(): void;
}

interface Pending {
  deliveries: number;
  dueAt: number;
}

export const memoryConsumer = (stream: Stream, initial: ConsumerSpec, clock: Clock, timers: Timers): MemoryConsumer => {
  const pending = new Map<number, Pending>();
  const again = new Set<number>();
  const waiting = pulls(clock, timers);
  let spec = initial;
  let match: Matcher = matcher(spec.filter);
  let position = 1;
  let undelivered = 0;
  let timer: { readonly at: number; readonly cancel: () => void } | undefined;

  const count = (): void => {
    undelivered = 0;
    for (const [subject, seqs] of stream.messages.subjects()) {
      if (match(subject)) undelivered += seqs.filter((seq) => seq >= position).length;
    }
  };

  const arm = (at: number): void => {
    if (timer && timer.at <= at) return;
    timer?.cancel();
    timer = { at, cancel: timers.at(at, expire).cancel };
  };

  const expire = (): void => {
    timer = undefined;
    const late = [...pending].filter(([seq, { dueAt }]) => !again.has(seq) && dueAt <= clock.wall());
    for (const [seq] of late.sort(([a], [b]) => a - b)) again.add(seq);
    const next = [...pending].filter(([seq]) => !again.has(seq)).map(([, { dueAt }]) => dueAt);
    if (next.length > 0) arm(next.reduce((first, at) => Math.min(first, at)));
    pump();
  };

  const nextAgain = (): Stored | undefined => {
    for (const seq of again) {
      again.delete(seq);
      const message = stream.messages.get(seq);
      if (message) return message;
      pending.delete(seq);
    }
    return undefined;
  };

  const nextNew = (): Stored | undefined => {
    if (pending.size >= spec.maxAckPending) return undefined;
    while (undelivered > 0 && position <= stream.lastSeq) {
      const message = stream.messages.get(position);
      position += 1;
      if (!message || !match(message.subject)) continue;
      undelivered -= 1;
      return message;
    }
    return undefined;
  };

  const pump = (): void => {
    while (waiting.size > 0) {
      const message = nextAgain() ?? nextNew();
      if (!message) return;
      const deliveries = (pending.get(message.seq)?.deliveries ?? 0) + 1;
      const dueAt = clock.wall() + spec.ackWaitMs;
      pending.set(message.seq, { deliveries, dueAt });
      arm(dueAt);
      waiting.next()?.deliver({ message, deliveries, pending: undelivered });
    }
  };

  const settle = (seq: number): void => {
    pending.delete(seq);
    again.delete(seq);
  };

  const acked = (seq: number): void => {
    if (spec.ack === 'through') for (const earlier of [...pending.keys()]) if (earlier <= seq) settle(earlier);
    settle(seq);
  };

  stream.watchers.add({
    added: ({ subject }) => {
      if (!match(subject)) return;
      undelivered += 1;
      pump();
    },
    removed: ({ seq, subject }, purged) => {
      if (seq >= position && match(subject)) undelivered -= 1;
      if (!pending.has(seq)) return;
      // The server takes the end of a message for its ack: where that settles all before it, they never come again.
      if (purged) settle(seq);
      else acked(seq);
      pump();
    },
  });
  count();

  return {
    get spec() {
      return spec;
    },
    set spec(next) {
      spec = next;
      match = matcher(spec.filter);
      count();
      pump();
    },
    pull: (pull, waitMs) => {
      waiting.add(pull, waitMs);
      pump();
      if (waitMs <= 0 && waiting.remove(pull)) pull.ended('empty');
    },
    forget: (pull) => void waiting.remove(pull),
    ack: (seq) => {
      if (seq >= position) return;
      acked(seq);
      if (stream.spec.keep === 'work') stream.remove(seq);
      pump();
    },
    nak: (seq, delayMs) => {
      const held = pending.get(seq);
      if (!held) return;
      if (delayMs > 0) {
        held.dueAt = clock.wall() + delayMs;
        arm(held.dueAt);
      } else {
        again.add(seq);
        pump();
      }
    },
    working: (seq) => {
      const held = pending.get(seq);
      if (held) held.dueAt = clock.wall() + spec.ackWaitMs;
    },
    repeat: (seq) => {
      if (!pending.has(seq)) return;
      again.add(seq);
      pump();
    },
    info: () => ({
      pending: undelivered,
      ackPending: pending.size,
      redelivered: [...pending.values()].filter(({ deliveries }) => deliveries > 1).length,
      waiting: waiting.size,
      // Pending in the order of their first delivery, which is the order of the stream.
      ackFloor: (pending.keys().next().value ?? position) - 1,
    }),
    suspend: () => {
      waiting.clear();
      timer = undefined;
      again.clear();
    },
    resume: () => expire(),
  };
};
