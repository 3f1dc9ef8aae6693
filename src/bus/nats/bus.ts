/** Plain messaging on a NATS connection. */
import type { Msg, NatsConnection, PublishOptions, Subscription, SubscriptionOptions } from '@nats-io/nats-core';
import type { Log } from '../../kernel/log.ts';
import type { Bus, Message } from '../bus.ts';
import { sendFailure } from './errors.ts';
import { headerEncoder, headersOf } from './headers.ts';
import { ask, type Mux } from './mux.ts';

export type CoreBus = Pick<Bus, 'maxPayload' | 'publish' | 'request' | 'subscribe'>;

export const coreBus = (connection: NatsConnection, requests: Mux, log: Log): CoreBus => {
  const encode = headerEncoder();
  let maxPayload = 1_048_576;

  return {
    get maxPayload() {
      // While there is no server, what the last one took is the best guess.
      maxPayload = connection.info?.max_payload ?? maxPayload;
      return maxPayload;
    },

    publish: (subject, data, options) => {
      const how: PublishOptions = {};
      const headers = encode(options?.headers);
      if (headers) how.headers = headers;
      if (options?.reply !== undefined) how.reply = options.reply;
      try {
        connection.publish(subject, data, how);
      } catch (error) {
        throw sendFailure(subject, data.length, error);
      }
    },

    request: async (subject, data, options) => {
      const headers = encode(options?.headers);
      const timeoutMs = options?.timeoutMs;
      return messageOf(await ask(requests, { subject, data, headers, timeoutMs, prompt: false }));
    },

    subscribe: (subject, handler, options) => {
      const subscription = listen(connection, subject, {
        ...(options?.queue !== undefined && { queue: options.queue }),
        callback: (error, message) => {
          if (error) return log.error({ err: error, subject }, 'the subscription was refused');
          // What is thrown in here would end the library's reading for good.
          try {
            handler(messageOf(message));
          } catch (thrown) {
            log.error({ err: thrown, subject }, 'a message was not handled');
          }
        },
      });
      return { unsubscribe: () => subscription.unsubscribe() };
    },
  };
};

const listen = (connection: NatsConnection, subject: string, options: SubscriptionOptions): Subscription => {
  try {
    return connection.subscribe(subject, options);
  } catch (error) {
    throw sendFailure(subject, 0, error);
  }
};

const messageOf = (message: Msg): Message => {
  const { subject, data, reply } = message;
  const headers = headersOf(message);
  return reply === undefined || reply === '' ? { subject, data, headers } : { subject, data, headers, reply };
};
