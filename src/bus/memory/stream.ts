/** One stream: what it keeps, and what leaves it without being asked. */
import type { Clock, Timer } from '../../kernel/clock.ts';
import type { Random } from '../../kernel/random.ts';
import { order } from '../headers.ts';
import type { Stored, StreamInfo, StreamSpec } from '../queue.ts';
import { type Append, admit } from './admission.ts';
import { type Matcher, matcher } from './matching.ts';
import { type Schedules, schedules } from './schedule.ts';
import { type MessageStore, messageStore, storedBytes } from './store.ts';
import type { Timers } from './timers.ts';

export interface Watcher {
  added(message: Stored): void;
  /** `purged`: by an order to, not by age, size, an ack or a later message. */
  removed(message: Stored, purged: boolean): void;
}

export interface Stream {
  readonly name: string;
  readonly incarnation: string;
  readonly lastSeq: number;
  readonly messages: MessageStore;
  readonly watchers: Set<Watcher>;
  readonly spec: StreamSpec;
  update(spec: StreamSpec): void;
  /** Whether a subject is one of its own. */
  takes(subject: string): boolean;
  /** Stores the message and answers its sequence. Throws `ConflictError` or `RefusedError`. */
  append(message: Append): number;
  remove(seq: number, purged?: boolean): void;
  /** What the last write to a subject replaced; undefined also where that is long ago. */
  before(subject: string): { readonly message: Stored | undefined } | undefined;
  info(): StreamInfo;
  /** After the broker was away, and its timers with it. */
  resume(): void;
}

export const stream = (initial: StreamSpec, clock: Clock, random: Random, timers: Timers): Stream => {
  const bytesOf = storedBytes(initial.storage);
  const messages = messageStore(bytesOf);
  const watchers = new Set<Watcher>();
  const replaced = recent();
  // In the order of their making, when compared as text.
  const incarnation = `${clock.wall().toString(36).padStart(9, '0')}${random.id().slice(0, 4)}`;
  let spec = initial;
  let takes: Matcher = matcher(spec.subjects);
  let lastSeq = 0;

  const remove = (seq: number, purged = false): void => {
    const message = messages.remove(seq);
    if (!message) return;
    expiries.cancel(seq);
    due.cancel(seq);
    for (const watcher of watchers) watcher.removed(message, purged);
  };
  const expiries = expiry(timers, remove);

  const trim = (): void => {
    if (spec.keep !== 'limits') return;
    for (let oldest = messages.oldest(); oldest && messages.bytes > (spec.maxBytes ?? Infinity); ) {
      remove(oldest.seq);
      oldest = messages.oldest();
    }
  };

  const add = ({ subject, data, headers, ttlMs, schedule }: Append): number => {
    const last = messages.last(subject);
    replaced.set(subject, last);
    const message = { stream: spec.name, subject, seq: (lastSeq += 1), data, headers, at: clock.wall() };
    messages.add(message);
    expiries.set(message, Math.min(ttlMs ?? Infinity, spec.maxAgeMs ?? Infinity));
    if (last && (spec.keep === 'last' || schedule)) remove(last.seq);
    if (schedule) due.set(message, schedule);
    trim();
    for (const watcher of watchers) watcher.added(message);
    return message.seq;
  };

  const due: Schedules = schedules(timers, clock.wall, (message, target, next) => {
    const at = next === undefined ? 'purge' : new Date(next).toISOString();
    const own = Object.entries(message.headers).filter(([name]) => !order.test(name));
    const headers = { ...Object.fromEntries(own), 'Nats-Scheduler': message.subject, 'Nats-Schedule-Next': at };
    add({ subject: target, data: message.data, headers });
    if (next === undefined) remove(message.seq);
  });

  return {
    name: spec.name,
    incarnation,
    messages,
    watchers,
    get lastSeq() {
      return lastSeq;
    },
    get spec() {
      return spec;
    },
    update: (next) => {
      spec = next;
      takes = matcher(spec.subjects);
      trim();
    },
    takes: (subject) => takes(subject),
    append: (message) => {
      const last = messages.last(message.subject);
      admit(message, { spec, last, bytes: messages.bytes, messages: messages.count, bytesOf, now: clock.wall() });
      return add(message);
    },
    remove,
    before: replaced.get,
    info: () => ({
      name: spec.name,
      incarnation,
      lastSeq,
      messages: messages.count,
      bytes: messages.bytes,
      maxBytes: spec.maxBytes ?? -1,
    }),
    resume: () => {
      expiries.resume();
      due.resume();
    },
  };
};

/** Messages that remove themselves. */
const expiry = (timers: Timers, remove: (seq: number) => void) => {
  const waiting = new Map<number, { readonly at: number; readonly timer: Timer }>();
  const set = (seq: number, at: number): void => {
    waiting.set(seq, { at, timer: timers.at(at, () => remove(seq)) });
  };

  return {
    set: ({ seq, at }: Stored, livesMs: number): void => {
      if (livesMs < Infinity) set(seq, at + livesMs);
    },
    cancel: (seq: number): void => {
      waiting.get(seq)?.timer.cancel();
      waiting.delete(seq);
    },
    resume: (): void => {
      for (const [seq, { at }] of [...waiting]) set(seq, at);
    },
  };
};

const recentWrites = 1_000;

/** What the latest writes replaced, for those who read a little behind. */
const recent = () => {
  const replaced = new Map<string, { readonly message: Stored | undefined }>();
  return {
    get: (subject: string) => replaced.get(subject),
    set: (subject: string, message: Stored | undefined): void => {
      replaced.delete(subject);
      replaced.set(subject, { message });
      const [oldest] = replaced.keys();
      if (replaced.size > recentWrites && oldest !== undefined) replaced.delete(oldest);
    },
  };
};
