/** Publishing to streams: a message with a reply subject, and the stream's word for it. */
import { PayloadTooLargeError, RefusedError } from '../../kernel/errors.ts';
import { lineBreak, order, scheduleText, ttlText } from '../headers.ts';
import type { PubAck, StreamPublishOptions } from '../queue.ts';
import { type ApiError, apiFailure } from './errors.ts';
import { headerEncoder, textOf } from './headers.ts';
import type { Mux } from './mux.ts';

const nobody = 'no stream takes it, or its stream has no leader just now';

export type StreamPublish = (subject: string, data: Uint8Array, options?: StreamPublishOptions) => Promise<PubAck>;

interface Answer extends PubAck {
  readonly error?: ApiError;
}

export const streamPublish = (requests: Mux): StreamPublish => {
  const encode = headerEncoder(order);
  const headersFor = (options: StreamPublishOptions | undefined) => options && encode(options.headers, orders(options));

  return (subject, data, options) =>
    new Promise((resolve, reject) => {
      const headers = headersFor(options);
      const request = { subject, data, headers, timeoutMs: options?.timeoutMs, prompt: true, nobody };
      requests.send(request, {
        answered: (message) => {
          const { error, stream, seq }: Answer = JSON.parse(textOf(message.data));
          if (error) reject(apiFailure(`publish to ${subject}`, error));
          else resolve({ stream, seq });
          return 'done';
        },
        failed: (error) => reject(tooLarge(error) ?? error),
      });
    });
};

/** To a publisher it is one refusal like others. */
const tooLarge = (error: Error): RefusedError | undefined =>
  error instanceof PayloadTooLargeError ? new RefusedError(error.message, { cause: error }) : undefined;

const line = (name: string, value: string | number): string => `${name}: ${value}\r\n`;

/** What came from a configuration could hold a line of its own, and so another order. */
const checked = (what: string, value: string): string => {
  if (lineBreak.test(value)) throw new RefusedError(`${what}: ${JSON.stringify(value)} holds a line break`);
  return value;
};

const orders = ({ expectSeq, ttlMs, schedule }: StreamPublishOptions): string => {
  let lines = '';
  if (expectSeq !== undefined) lines += line('Nats-Expected-Last-Subject-Sequence', expectSeq);
  if (ttlMs !== undefined) lines += line('Nats-TTL', ttlText(ttlMs));
  if (schedule) {
    lines += line('Nats-Schedule', checked('schedule', scheduleText(schedule.when)));
    lines += line('Nats-Schedule-Target', checked('target', schedule.target));
    if ('timezone' in schedule.when && schedule.when.timezone !== undefined) {
      lines += line('Nats-Schedule-Time-Zone', checked('timezone', schedule.when.timezone));
    }
  }
  return lines;
};
