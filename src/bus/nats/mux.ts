/**
 * Requests over one inbox: one wildcard subscription for the life of the connection, a number as the
 * inbox's last token for whoever waits, and one coarse sweep for all timeouts. The library's own request costs a timer,
 * a promise chain and an entry in three places each, which is half of the hot path.
 *
 * What is sent while disconnected is held here until the connection is back, because the library drops what
 * it has buffered whenever it dials anew. So what has not left when its time is up was certainly not done.
 */
import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/nats-core';
import type { Clock } from '../../kernel/clock.ts';
import { ConfigurationError, TimeoutError, UnavailableError } from '../../kernel/errors.ts';
import type { Log } from '../../kernel/log.ts';
import { numbered } from '../../kernel/numbered.ts';
import { sendFailure } from './errors.ts';
import { statuses, statusOf } from './headers.ts';

const defaultTimeoutMs = 5_000;
const sweepMs = 250;

/** Whoever waits for an answer. One of the two is called, `answered` until it says `done`. */
export interface Waiter {
  answered(message: Msg): 'done' | 'more';
  failed(error: Error): void;
}

export interface MuxRequest {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: MsgHdrs | undefined;
  /** Without an answer, be it the first or, of several, the next. */
  readonly timeoutMs?: number | undefined;
  /** What it means if nobody answers. */
  readonly nobody?: string;
  /** The answer comes at once or never, so a lost connection has lost it: true for all that asks the server itself. */
  readonly prompt: boolean;
}

export interface Mux {
  send(request: MuxRequest, waiter: Waiter): void;
  /** The server does not let this user publish to `subject`: what was sent there was not done. */
  denied(subject: string): void;
  /** The connection is gone: answers to what was prompt will not come any more. */
  disconnected(): void;
  /** It is back: sends what was held. */
  connected(): void;
  close(): void;
}

interface Waiting {
  readonly request: MuxRequest;
  readonly waiter: Waiter;
  dueMs: number;
  sent: boolean;
}

export interface MuxOptions {
  readonly connection: NatsConnection;
  readonly inbox: string;
  readonly clock: Clock;
  readonly log: Log;
}

export const mux = ({ connection, inbox, clock, log }: MuxOptions): Mux => {
  const prefix = `${inbox}.`;
  const waiting = numbered<Waiting>();
  let online = true;
  let closed = false;

  const dueMsOf = ({ timeoutMs = defaultTimeoutMs }: MuxRequest): number => clock.monotonic() + timeoutMs;

  const transmit = (id: number, { request, waiter }: Waiting): void => {
    const { subject, data, headers } = request;
    try {
      connection.publish(subject, data, headers ? { reply: prefix + id, headers } : { reply: prefix + id });
    } catch (error) {
      waiting.remove(id);
      waiter.failed(sendFailure(subject, data.length, error));
    }
  };

  const end = (which: (entry: Waiting) => boolean, errorOf: (entry: Waiting) => Error): void => {
    for (const [id, entry] of waiting.entries()) {
      if (!which(entry)) continue;
      waiting.remove(id);
      entry.waiter.failed(errorOf(entry));
    }
  };

  const fail = (why: string, which: (entry: Waiting) => boolean): void =>
    end(which, ({ request: { subject }, sent }) =>
      sent
        ? new TimeoutError(`${subject}: ${why}; whether it was done is unknown`)
        : new UnavailableError(`${subject}: ${why}, nothing was sent: there is no connection to NATS`),
    );

  const refuse = (why: string, which: (entry: Waiting) => boolean): void =>
    end(which, ({ request: { subject } }) => new ConfigurationError([`NATS_URL: ${subject}: ${why}`]));

  const subscription = connection.subscribe(`${prefix}*`, {
    callback: (error, message) => {
      if (error) {
        log.error({ err: error }, 'the inbox subscription failed');
        return refuse(`no answer can come: ${error.message}`, () => true);
      }
      const id = Number(message.subject.slice(prefix.length));
      const entry = waiting.get(id);
      if (!entry) return;
      if (statusOf(message) === statuses.nobody) {
        waiting.remove(id);
        const { subject, nobody = 'nobody answers' } = entry.request;
        return entry.waiter.failed(new UnavailableError(`${subject}: ${nobody}`));
      }
      // What is thrown in here would end the library's reading for good.
      try {
        if (entry.waiter.answered(message) === 'done') waiting.remove(id);
        else entry.dueMs = dueMsOf(entry.request);
      } catch (cause) {
        waiting.remove(id);
        entry.waiter.failed(new UnavailableError(`${entry.request.subject}: no valid answer`, { cause }));
      }
    },
  });

  const sweep = clock.every(sweepMs, () => {
    const nowMs = clock.monotonic();
    fail('no answer in time', (entry) => entry.dueMs <= nowMs);
  });

  return {
    send: (request, waiter) => {
      if (closed) return waiter.failed(new UnavailableError(`${request.subject}: the connection to NATS is closed`));
      const entry = { request, waiter, dueMs: dueMsOf(request), sent: online };
      const id = waiting.add(entry);
      if (online) transmit(id, entry);
    },
    denied: (subject) =>
      refuse(
        'the NATS server does not let this user publish there: give it the permission (deploy/nats.conf has those that clients need)',
        (entry) => entry.request.subject === subject,
      ),
    disconnected: () => {
      online = false;
      fail('the connection was lost before the answer', (entry) => entry.sent && entry.request.prompt);
    },
    connected: () => {
      online = true;
      for (const [id, entry] of waiting.entries()) {
        if (entry.sent) continue;
        entry.sent = true;
        transmit(id, entry);
      }
    },
    close: () => {
      closed = true;
      sweep.cancel();
      subscription.unsubscribe();
      fail('the connection was closed', () => true);
    },
  };
};

/** One request, one answer. */
export const ask = (requests: Mux, request: MuxRequest): Promise<Msg> =>
  new Promise((resolve, reject) => {
    requests.send(request, {
      answered: (message) => {
        resolve(message);
        return 'done';
      },
      failed: reject,
    });
  });
