/**
 * Actors that are reached by a name, from this process or any other: `actors.<name>` on the bus takes
 * JSON and answers JSON, so that `nats req actors.<name> '…'` asks and `nats pub` tells. A message
 * goes the same way through JSON and the actor's schema wherever its sender is.
 */
import type { Bus, Headers, Message as BusMessage } from '../bus/bus.ts';
import { encodeJson } from '../bus/json.ts';
import { isAnswerable, subjects } from '../bus/subjects.ts';
import { isTroupeError, summarise } from '../kernel/error.ts';
import { ConfigurationError, UnavailableError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Start } from '../kernel/process.ts';
import { scrub } from '../kernel/redact.ts';
import { aborted } from '../kernel/signal.ts';
import type { AskOptions } from './actor.ts';
import {
  answerOf,
  decodeAnswer,
  defaultTimeoutMs,
  encodeAnswer,
  encodeMessage,
  errorHeader,
  type Handle,
  handlerOf,
  hash,
  type Named,
  type Request,
  requestOf,
  timeoutHeader,
  typeHeader,
} from './named-message.ts';

export interface NamedActors {
  /**
   * A process that answers for the name while it runs; the actor itself is another one, and may crash
   * and restart behind it. Throws InvalidNameError; starting it throws ConfigurationError if the name
   * is taken in this process. In several processes, one of them gets each message.
   */
  readonly register: <Input, Message>(named: Named<Input, Message>) => Start;
  /**
   * The actor's answer. The one of this process is preferred. Throws UnavailableError if no actor has
   * the name or it is not running, InvalidInputError, TimeoutError, MailboxFullError, or what the actor
   * answered, under its code: branch with `isTroupeError(error, code)`, as class and cause do not travel.
   */
  readonly ask: (name: string, input: unknown, options?: AskOptions) => Promise<unknown>;
  /** Resolves when the message is in the actor's mailbox. Throws like `ask`. */
  readonly tell: (name: string, input: unknown, options?: AskOptions) => Promise<void>;
}

export interface NamedActorsOptions {
  readonly bus: Bus;
  readonly log: Log;
  readonly metrics: Metrics;
}

export const namedActors = ({ bus, log, metrics }: NamedActorsOptions): NamedActors => {
  const local = new Map<string, Handle>();

  const serve = async (name: string, handle: Handle, message: BusMessage): Promise<void> => {
    const answer = (data: Uint8Array, headers: Headers = {}): void => {
      if (message.reply !== undefined && isAnswerable(message.reply)) bus.publish(message.reply, data, { headers });
    };
    try {
      answer(encodeAnswer(name, await handle(message.data, requestOf(message))));
    } catch (error) {
      const summary = summarise(error);
      const reason = scrub(summary.message).slice(0, 500);
      if (isTroupeError(error, 'invalid_input')) metrics.badInput.labels('invalid_message').inc();
      log.warn({ actor: name, code: summary.code, inputHash: hash(message.data), reason }, 'a message came to nothing');
      answer(encodeJson({ error: { code: summary.code, message: reason } }), { [errorHeader]: summary.code });
    }
  };

  const requestRemote = async (name: string, data: Uint8Array, { type, timeoutMs }: Request): Promise<unknown> => {
    const headers = { [typeHeader]: type, [timeoutHeader]: String(timeoutMs) };
    const reply = await bus.request(subjects.actor(name), data, { headers, timeoutMs }).catch((error: unknown) => {
      if (!isTroupeError(error, 'unavailable')) throw error;
      const why = bus.connection === 'connected' ? 'nobody answers for that name' : 'the bus is not connected';
      throw new UnavailableError(`actor "${name}": not in this process, and ${why}`, { cause: error });
    });
    return answerOf(name, reply);
  };

  const send = async (name: string, input: unknown, request: Request): Promise<unknown> => {
    const data = encodeMessage(name, input);
    const handle = local.get(name);
    return handle
      ? decodeAnswer(name, encodeAnswer(name, await handle(data, request)))
      : requestRemote(name, data, request);
  };

  const register: NamedActors['register'] = (named) => {
    const { name } = named;
    const subject = subjects.actor(name);
    const handle = handlerOf(named);
    return async (signal) => {
      if (local.has(name)) throw new ConfigurationError([`two actors of this process are called "${name}"`]);
      const receive = (message: BusMessage): void => {
        // It answers every error; what is left is an answer that the bus does not take any more.
        void serve(name, handle, message).catch((error: unknown) =>
          log.error({ err: error, actor: name }, 'no answer'),
        );
      };
      const subscription = bus.subscribe(subject, receive, { queue: 'actors' });
      local.set(name, handle);
      return {
        exit: aborted(signal).then(() => {
          local.delete(name);
          subscription.unsubscribe();
        }),
      };
    };
  };

  return {
    register,
    ask: (name, input, { timeoutMs = defaultTimeoutMs } = {}) => send(name, input, { type: 'ask', timeoutMs }),
    tell: async (name, input, { timeoutMs = defaultTimeoutMs } = {}) =>
      void (await send(name, input, { type: 'tell', timeoutMs })),
  };
};
