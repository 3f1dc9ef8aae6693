/**
 * A durable consumer: what has been handed out stays pending until it is settled or its ack wait is over;
 * then it is handed out again, before anything new and whatever the limit of pending messages.
 */
import type { Clock, Timer } from '../../kernel/clock.ts';
import type { ConsumerInfo, ConsumerSpec, Stored } from '../queue.ts';
import { type Matcher, matcher } from './matching.ts';
import type { Stream } from './stream.ts';
import type { Timers } from './timers.ts';

export interface HandOut {
  readonly message: Stored;
  readonly deliveries: number;
  readonly pending: number;
}

export interface Pull {
  left: number;
  deliver(handOut: HandOut): void;
  ended(reason: 'empty' | 'lost'): void;
}

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
  const waiting: { readonly pull: Pull; readonly timer: Timer | undefined }[] = [];
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

  const handOut = (pull: Pull, message: Stored): void => {
    const deliveries = (pending.get(message.seq)?.deliveries ?? 0) + 1;
    const dueAt = clock.wall() + spec.ackWaitMs;
    pending.set(message.seq, { deliveries, dueAt });
    arm(dueAt);
    pull.left -= 1;
    pull.deliver({ message, deliveries, pending: undelivered });
  };

  /** The pulls take turns, a message each. */
  const pump = (): void => {
    for (let turn = waiting[0]; turn; turn = waiting[0]) {
      const message = nextAgain() ?? nextNew();
      if (!message) return;
      waiting.shift();
      if (turn.pull.left > 1) waiting.push(turn);
      else turn.timer?.cancel();
      handOut(turn.pull, message);
    }
  };

  const drop = (pull: Pull): boolean => {
    const at = waiting.findIndex((each) => each.pull === pull);
    if (at < 0) return false;
    waiting.splice(at, 1)[0]?.timer?.cancel();
    return true;
  };

  const settle = (seq: number): void => {
    pending.delete(seq);
    again.delete(seq);
  };

  stream.watchers.add({
    added: ({ subject }) => {
      if (!match(subject)) return;
      undelivered += 1;
      pump();
    },
    removed: ({ seq, subject }) => {
      if (seq >= position && match(subject)) undelivered -= 1;
      settle(seq);
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
      const end = (): void => {
        if (drop(pull)) pull.ended('empty');
      };
      waiting.push({ pull, timer: waitMs > 0 ? timers.at(clock.wall() + waitMs, end) : undefined });
      pump();
      if (waitMs <= 0) end();
    },
    forget: (pull) => void drop(pull),
    ack: (seq) => {
      if (seq >= position) return;
      if (spec.ack === 'through') for (const earlier of [...pending.keys()]) if (earlier <= seq) settle(earlier);
      settle(seq);
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
      waiting: waiting.length,
      // Pending in the order of their first delivery, which is the order of the stream.
      ackFloor: (pending.keys().next().value ?? position) - 1,
    }),
    suspend: () => {
      for (const { pull } of [...waiting]) drop(pull);
      timer = undefined;
      again.clear();
    },
    resume: () => expire(),
  };
};
