/**
 * A service as `nats micro` knows it: endpoints that answer requests, and answers about itself. Of several services of
 * one name each request reaches one. What it has begun it finishes when it is stopped, and it bounds what it begins:
 * for what there is no room it says so at once, which serves a client better than silence.
 */
import type { Bus, Headers, Message } from '../bus/bus.ts';
import { encodeJson } from '../bus/json.ts';
import { isAnswerable, named } from '../bus/subjects.ts';
import type { Clock } from '../kernel/clock.ts';
import { InvalidNameError, OverloadedError, PayloadTooLargeError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import { optional } from '../kernel/optional.ts';
import type { Start } from '../kernel/process.ts';
import type { Random } from '../kernel/random.ts';
import { aborted } from '../kernel/signal.ts';
import {
  controlSubjects,
  type Endpoint,
  errorCodeHeader,
  errorHeader,
  type Identity,
  info,
  pong,
  queueGroupOf,
  stats,
  type Tally,
  verbs,
} from './service-wire.ts';

export interface ServiceEndpoint extends Endpoint {
  /**
   * The answer's body; `undefined` if it is answered otherwise. `signal` aborts when the service stops: what waits for
   * something then answers at once.
   */
  readonly handle: (message: Message, signal: AbortSignal) => Promise<Uint8Array | undefined>;
}

/** What an error becomes. */
export interface ErrorAnswer {
  /** As in HTTP: 400 and so on. */
  readonly status: number;
  readonly message: string;
  readonly body: Uint8Array;
}

export interface ServiceOptions extends Omit<Identity, 'id'> {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly endpoints: readonly ServiceEndpoint[];
  readonly errorAnswer: (error: unknown, message: Message) => ErrorAnswer;
}

interface Answer {
  readonly body: Uint8Array | undefined;
  readonly headers?: Headers;
}

/** An endpoint and its numbers. */
interface Served {
  readonly endpoint: ServiceEndpoint;
  readonly tally: Tally;
}

/** A process. Starting it throws `InvalidNameError`. */
export const service =
  (options: ServiceOptions): Start =>
  async (signal) => {
    const { bus, clock, random, log, name, version, description, metadata } = options;
    const identity: Identity = { name: named('service', name), id: random.id(), version, description, metadata };
    const startedAt = new Date(clock.wall());
    const served = options.endpoints.map((endpoint): Served => ({ endpoint, tally: newTally() }));
    const inHand = room();

    const answer = answering(options, inHand, signal);
    const reply = ({ reply: to }: Message, { body, headers }: Answer): void => {
      if (body && to !== undefined && isAnswerable(to)) bus.publish(to, body, headers && { headers });
    };
    const serve = async (message: Message, each: Served): Promise<void> => reply(message, await answer(message, each));
    const about = {
      PING: () => pong(identity),
      INFO: () => info(identity, options.endpoints),
      STATS: () => stats(identity, { startedAt, served }),
    };

    const control = verbs.flatMap((verb) =>
      controlSubjects(verb, identity).map((subject) =>
        bus.subscribe(subject, (message) => reply(message, { body: encodeJson(about[verb]()) })),
      ),
    );
    const doors = served.map((each) => {
      const receive = (message: Message): void => {
        // It answers every error; what is left is an answer that the bus does not take any more.
        void serve(message, each).catch((error: unknown) => log.error({ err: error, service: name }, 'no answer'));
      };
      return bus.subscribe(each.endpoint.subject, receive, optional({ queue: queueGroupOf(each.endpoint) }));
    });
    return {
      exit: aborted(signal).then(() => {
        for (const subscription of [...control, ...doors]) subscription.unsubscribe();
        return inHand.empty();
      }),
    };
  };

const newTally = (): Tally => ({ requests: 0, errors: 0, lastError: '', tookMs: 0 });

/** Answers one request, whatever comes of it, and counts it. */
const answering =
  ({ bus, clock, name, errorAnswer }: ServiceOptions, inHand: Room, signal: AbortSignal) =>
  async (message: Message, { endpoint, tally }: Served): Promise<Answer> => {
    const from = clock.monotonic();
    const bytes = message.data.length;
    const entered = inHand.enter(bytes);
    try {
      if (message.reply !== undefined && !isAnswerable(message.reply))
        throw new InvalidNameError('a reply subject', message.reply, 'give an inbox; nothing was done');
      if (!entered)
        throw new OverloadedError(`the service "${name}" has more requests in hand than it has room for`, {
          retryAfterMs,
        });
      const body = await endpoint.handle(message, signal);
      return { body: body && fitting(bus, body) };
    } catch (error) {
      const { status, message: text, body } = errorAnswer(error, message);
      const line = asLine(text);
      tally.errors += 1;
      tally.lastError = `${status}:${line}`;
      return { body, headers: { [errorCodeHeader]: String(status), [errorHeader]: line } };
    } finally {
      if (entered) inHand.leave(bytes);
      tally.requests += 1;
      tally.tookMs += clock.monotonic() - from;
    }
  };

const asLine = (text: string): string => text.replace(/[\r\n\0]+/g, ' ').slice(0, 300);

const fitting = (bus: Bus, body: Uint8Array): Uint8Array => {
  if (body.length <= bus.maxPayload) return body;
  throw new PayloadTooLargeError(`the answer has ${body.length} bytes; at most ${bus.maxPayload} fit one message`);
};

/** Requests in hand at most, and what their bodies weigh together. */
const requestsMost = 4_096;
const bytesMost = 64 * 1024 * 1024;
const retryAfterMs = 1_000;

interface Room {
  enter(bytes: number): boolean;
  leave(bytes: number): void;
  /** Resolves when nothing is in hand any more. */
  empty(): Promise<void>;
}

const room = (): Room => {
  let requests = 0;
  let weight = 0;
  let emptied = (): void => {};
  return {
    enter: (bytes) => {
      if (requests >= requestsMost || weight + bytes > bytesMost) return false;
      requests += 1;
      weight += bytes;
      return true;
    },
    leave: (bytes) => {
      requests -= 1;
      weight -= bytes;
      if (requests === 0) emptied();
    },
    empty: () =>
      new Promise((resolve) => {
        emptied = resolve;
        if (requests === 0) resolve();
      }),
  };
};
