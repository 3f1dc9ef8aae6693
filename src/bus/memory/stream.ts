/** One stream: what it takes, what it refuses, and what leaves it without being asked. */
import type { Clock, Timer } from '../../kernel/clock.ts';
import { ConflictError, RefusedError } from '../../kernel/errors.ts';
import type { Random } from '../../kernel/random.ts';
import type { Headers } from '../bus.ts';
import type { Stored, StreamInfo, StreamSpec } from '../queue.ts';
import { isLiteral, matcher } from './matching.ts';
import { nextFiring, type Schedule, schedules } from './schedule.ts';
import { headerBytes, type MessageStore, messageStore, storedBytes } from './store.ts';
import type { Timers } from './timers.ts';

export interface Append {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers: Headers;
  readonly expectSeq?: number;
  readonly ttlMs?: number;
  readonly schedule?: Schedule;
}

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
  spec: StreamSpec;
  /** Stores the message and answers its sequence. Throws `ConflictError` or `RefusedError`. */
  append(message: Append): number;
  remove(seq: number, purged?: boolean): void;
  /** What the last write to a subject replaced; undefined also where that is long ago. */
  before(subject: string): { readonly message: Stored | undefined } | undefined;
  info(): StreamInfo;
  /** After the broker was away, and its timers with it. */
  resume(): void;
}

const recentWrites = 1_000;

export const stream = (initial: StreamSpec, clock: Clock, random: Random, timers: Timers): Stream => {
  const bytesOf = storedBytes(initial.storage);
  const messages = messageStore(bytesOf);
  const watchers = new Set<Watcher>();
  const expiries = new Map<number, { readonly at: number; timer: Timer }>();
  const replaced = new Map<string, { readonly message: Stored | undefined }>();
  // In the order of their making, when compared as text.
  const incarnation = `${clock.wall().toString(36).padStart(9, '0')}${random.id().slice(0, 4)}`;
  let spec = initial;
  let lastSeq = 0;

  const remove = (seq: number, purged = false): void => {
    const message = messages.remove(seq);
    if (!message) return;
    expiries.get(seq)?.timer.cancel();
    expiries.delete(seq);
    due.cancel(seq);
    for (const watcher of watchers) watcher.removed(message, purged);
  };

  const expire = (seq: number, at: number): void => {
    expiries.set(seq, { at, timer: timers.at(at, () => remove(seq)) });
  };

  const store = ({ subject, data, headers, ttlMs }: Append): Stored => {
    const at = clock.wall();
    const message = { stream: spec.name, subject, seq: (lastSeq += 1), data, headers, at };
    messages.add(message);
    const livesMs = Math.min(ttlMs ?? Infinity, spec.maxAgeMs ?? Infinity);
    if (livesMs < Infinity) expire(message.seq, at + livesMs);
    return message;
  };

  const remember = (subject: string): void => {
    replaced.delete(subject);
    replaced.set(subject, { message: messages.last(subject) });
    const [oldest] = replaced.keys();
    if (replaced.size > recentWrites && oldest !== undefined) replaced.delete(oldest);
  };

  const trim = (): void => {
    if (spec.keep !== 'limits') return;
    for (let oldest = messages.oldest(); oldest && messages.bytes > (spec.maxBytes ?? Infinity); ) {
      remove(oldest.seq);
      oldest = messages.oldest();
    }
  };

  const add = (append: Append): Stored => {
    const { subject, schedule } = append;
    const earlier = spec.keep === 'last' || schedule ? messages.last(subject) : undefined;
    remember(subject);
    const message = store(append);
    if (earlier) remove(earlier.seq);
    if (schedule) due.set(message, schedule);
    trim();
    for (const watcher of watchers) watcher.added(message);
    return message;
  };

  const due = schedules(timers, clock.wall, (message, target, next) => {
    const at = next === undefined ? 'purge' : new Date(next).toISOString();
    const own = Object.entries(message.headers).filter(([name]) => !/^nats-/i.test(name));
    const headers = { ...Object.fromEntries(own), 'Nats-Scheduler': message.subject, 'Nats-Schedule-Next': at };
    add({ subject: target, data: message.data, headers });
    if (next === undefined) remove(message.seq);
  });

  const fits = (subject: string): boolean => matcher(spec.subjects)(subject);

  const check = (append: Append): void => {
    const { subject, data, headers, expectSeq, ttlMs, schedule } = append;
    const bytes = data.length + headerBytes(headers);
    if (bytes > (spec.maxMsgBytes ?? Infinity)) throw new RefusedError('message size exceeds maximum allowed');
    if (ttlMs !== undefined && spec.keep !== 'last') throw new RefusedError('per-message TTL is disabled');
    if (ttlMs !== undefined && !(ttlMs >= 1_000)) throw new RefusedError('invalid per-message TTL');
    if (schedule) checkSchedule(subject, schedule);
    const last = messages.last(subject);
    if (expectSeq !== undefined && expectSeq !== (last?.seq ?? 0)) {
      throw new ConflictError(`wrong last sequence: ${last?.seq ?? 0}`, { revision: last?.seq ?? 0 });
    }
    if (spec.keep === 'limits' || messages.bytes + bytesOf(append) <= (spec.maxBytes ?? Infinity)) return;
    const makesRoom = spec.keep === 'last' && last && bytesOf(last) >= bytesOf(append);
    if (!makesRoom) throw new RefusedError('maximum bytes exceeded');
  };

  const checkSchedule = (subject: string, schedule: Schedule): void => {
    if (!spec.schedules) throw new RefusedError('message schedules is disabled');
    const valid = isLiteral(schedule.target) && fits(schedule.target) && schedule.target !== subject;
    if (!valid) throw new RefusedError('message schedules target is invalid');
    nextFiring(schedule, clock.wall());
  };

  const append = (message: Append): number => {
    check(message);
    return add(message).seq;
  };

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
    set spec(next) {
      spec = next;
      trim();
    },
    append,
    remove,
    before: (subject) => replaced.get(subject),
    info: () => ({
      name: spec.name,
      incarnation,
      lastSeq,
      messages: messages.count,
      bytes: messages.bytes,
      maxBytes: spec.maxBytes ?? -1,
    }),
    resume: () => {
      for (const [seq, { at }] of [...expiries]) expire(seq, at);
      due.resume();
    },
  };
};
