/**
 * A live reading of a stream: an ephemeral push consumer that numbers what it sends. A number missing, its
 * heartbeats missing, or a new connection means a new consumer, from behind the last message that came. A
 * stream that was made anew meanwhile is read from its beginning.
 */
import type { Msg, NatsConnection, Subscription } from '@nats-io/nats-core';
import type { Clock, Timer } from '../../kernel/clock.ts';
import type { Log } from '../../kernel/log.ts';
import type { Random } from '../../kernel/random.ts';
import type { Stored, StreamInfo, TailOptions } from '../queue.ts';
import type { Api } from './api.ts';
import { parseAckSubject, type Position } from './delivery.ts';
import { headersOf, statuses, statusOf } from './headers.ts';
import type { ServerTime } from './server-time.ts';
import { configOf, heartbeatMs } from './tail-consumer.ts';

const heartbeatsMissed = 2.5;
const retryMs = 250;
const retryMostMs = 5_000;
const nothing = new Uint8Array(0);

export interface TailingOptions {
  readonly connection: NatsConnection;
  readonly api: Api;
  readonly info: (stream: string) => Promise<StreamInfo>;
  readonly inbox: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly time: ServerTime;
}

/** A reading, and what the connection tells it. */
export interface Tailing {
  readonly unsubscribe: () => void;
  /** Once in a while: looks whether the consumer is still heard. */
  check(): void;
  connected(): void;
}

interface CreateAnswer {
  readonly name: string;
  readonly num_pending: number;
  readonly delivered: { readonly stream_seq: number };
}

/** One consumer's life. */
interface Reading {
  readonly subscription: Subscription;
  consumer: string | undefined;
  deliverySeq: number;
  lostAtMs: number;
}

/** Resolves when the first consumer exists. Throws what its making throws. */
export const tail = async (options: TailingOptions, stream: string, wish: TailOptions): Promise<Tailing> => {
  const { connection, api, info, inbox, clock, random, log, time } = options;
  let reading: Reading | undefined;
  let readings = 0;
  let retry: Timer | undefined;
  let failures = 0;
  let closed = false;
  let caughtUp = false;
  let incarnation: string | undefined;
  /** The last message that came, or before which nothing is wanted. */
  let lastSeq: number | undefined;

  const catchUp = (): void => {
    if (caughtUp) return;
    caughtUp = true;
    wish.caughtUp?.();
  };

  const deliver = (current: Reading, message: Msg, position: Position): void => {
    if (position.deliverySeq !== current.deliverySeq + 1) return restart('a message is missing');
    current.deliverySeq = position.deliverySeq;
    lastSeq = position.seq;
    failures = 0;
    time.observe(position.at);
    wish.deliver(storedOf(message, position));
    if (position.pending === 0) catchUp();
  };

  const status = (current: Reading, message: Msg): void => {
    // With a reply it is flow control: the server goes on when it has been answered.
    if (message.reply) return connection.publish(message.reply, nothing);
    const headers = headersOf(message);
    const stalled = headers['Nats-Consumer-Stalled'];
    if (stalled !== undefined) return connection.publish(stalled, nothing);
    if (Number(headers['Nats-Last-Consumer']) !== current.deliverySeq) return restart('a message is missing');
    failures = 0;
    // Idle and nothing missing: whatever had been pending was removed before it came.
    catchUp();
  };

  const arrived = (current: Reading, message: Msg): void => {
    if (current !== reading) return;
    current.lostAtMs = clock.monotonic() + heartbeatMs * heartbeatsMissed;
    // What is thrown in here would end the library's reading for good.
    try {
      const code = statusOf(message);
      const position = code === 0 ? parseAckSubject(message.reply ?? '') : undefined;
      if (position) deliver(current, message, position);
      else if (code === statuses.idle) status(current, message);
      else if (code !== 0) restart(`status ${code}`);
    } catch (error) {
      log.error({ err: error, stream }, 'a message of a tail was not taken');
    }
  };

  const stop = (): void => {
    retry?.cancel();
    retry = undefined;
    if (!reading) return;
    const { subscription, consumer } = reading;
    reading = undefined;
    subscription.unsubscribe();
    // Best effort: the server removes it by itself once it is inactive.
    if (consumer !== undefined) void api(`CONSUMER.DELETE.${stream}.${consumer}`).catch(() => {});
  };

  const start = async (): Promise<void> => {
    stop();
    readings += 1;
    const number = readings;
    const before = await info(stream);
    if (closed || number !== readings) return;
    // Of a stream that was made anew everything is new.
    if (incarnation !== undefined && incarnation !== before.incarnation) lastSeq = anew(wish.from);
    incarnation = before.incarnation;
    const subject = `${inbox}.${number}`;
    const subscription = connection.subscribe(subject, { callback: (_error, message) => arrived(current, message) });
    const lostAtMs = clock.monotonic() + heartbeatMs * heartbeatsMissed;
    const current: Reading = { subscription, consumer: undefined, deliverySeq: 0, lostAtMs };
    reading = current;
    const body = { stream_name: stream, config: configOf(wish, subject, lastSeq), action: 'create' };
    const made = await api<CreateAnswer>(`CONSUMER.CREATE.${stream}.${random.nonce()}`, body);
    current.consumer = made.name;
    if (closed || current !== reading) return;
    // What is new counts from here, also if nothing has come when the consumer is lost.
    if (wish.from === 'new') lastSeq ??= made.delivered.stream_seq;
    if (made.num_pending === 0) catchUp();
  };

  const restart = (why: string): void => {
    if (closed) return;
    stop();
    const delayMs = Math.min(retryMs * 2 ** failures, retryMostMs) * (0.5 + random.next());
    const wait = failures === 0 ? 0 : delayMs;
    failures += 1;
    log.debug({ stream, why, wait }, 'a tail starts anew');
    retry = clock.timer(wait, () => {
      const starting = start();
      const number = readings;
      starting.catch((error: unknown) => {
        if (number === readings) restart(String(error));
      });
    });
  };

  const unsubscribe = (): void => {
    closed = true;
    stop();
  };

  try {
    await start();
  } catch (error) {
    // The server may have made the consumer, and whoever asks again is not to hear this one too.
    unsubscribe();
    throw error;
  }
  return {
    unsubscribe,
    check: () => {
      if (reading && reading.lostAtMs <= clock.monotonic()) restart('nothing was heard');
    },
    connected: () => {
      failures = 0;
      restart('the connection is new');
    },
  };
};

/** A sequence counts in one stream only. */
const anew = (from: TailOptions['from']): number | undefined => (from === 'all' || from === 'last' ? undefined : 0);

const storedOf = (message: Msg, { stream, seq, at }: Position): Stored => ({
  stream,
  subject: message.subject,
  seq,
  at,
  // A copy: a reader that keeps a few bytes must not keep the whole frame in which they came.
  data: new Uint8Array(message.data),
  headers: headersOf(message),
});
