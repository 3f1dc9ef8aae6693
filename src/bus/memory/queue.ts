/** The queue port on a client's link. */
import { PayloadTooLargeError, RefusedError, UnavailableError } from '../../kernel/errors.ts';
import type { Headers } from '../bus.ts';
import { order, scheduleText, ttlText } from '../headers.ts';
import type { PubAck, Queue, StreamPublishOptions } from '../queue.ts';
import { checked } from './bus.ts';
import type { Client } from './client.ts';
import { consume } from './consume.ts';
import { reads } from './reads.ts';
import { tail } from './tail.ts';

/** What the server keeps among a message's headers. */
const stored = ({ headers = {}, expectSeq, ttlMs, schedule }: StreamPublishOptions): Headers => ({
  ...Object.fromEntries(Object.entries(headers).filter(([name]) => !order.test(name))),
  ...(expectSeq !== undefined && { 'Nats-Expected-Last-Subject-Sequence': String(expectSeq) }),
  ...(ttlMs !== undefined && { 'Nats-TTL': ttlText(ttlMs) }),
  ...(schedule && { 'Nats-Schedule': scheduleText(schedule.when), 'Nats-Schedule-Target': schedule.target }),
});

const checkedForStream: typeof checked = (subject, data, headers) => {
  try {
    return checked(subject, data, headers);
  } catch (cause) {
    if (cause instanceof PayloadTooLargeError) throw new RefusedError(cause.message, { cause });
    throw cause;
  }
};

export const memoryQueue = (client: Client): Queue => {
  const { clock, faults, server } = client;

  const publish = async (subject: string, data: Uint8Array, options: StreamPublishOptions = {}): Promise<PubAck> => {
    const { expectSeq, ttlMs, schedule, timeoutMs } = options;
    const message = {
      ...checkedForStream(subject, data, stored(options)),
      ...(expectSeq !== undefined && { expectSeq }),
      ...(ttlMs !== undefined && { ttlMs }),
      ...(schedule && { schedule }),
    };
    const fault = faults.draw('publish', subject);
    if (fault === 'refuse') throw new UnavailableError(`publish to "${subject}": nobody answers`);
    return client.call(`publish to "${subject}"`, () => server.publish(message), { timeoutMs, fault, write: true });
  };

  const write = { write: true };
  return {
    now: clock.wall,
    publish,
    ...reads(client),
    ensureStream: (spec) => client.call(`stream "${spec.name}"`, () => server.ensureStream(spec), write),
    ensureConsumer: (spec) => client.call(`consumer "${spec.name}"`, () => server.ensureConsumer(spec), write),
    streamsTaking: (filter) => client.call('streams', () => server.allTaking(filter)),
    streamInfo: (stream) => client.call(`stream "${stream}"`, () => server.stream(stream).info()),
    consumerInfo: (stream, name) => client.call(`consumer "${name}"`, () => server.consumer(stream, name).info()),
    storageLimit: () => client.call('account', () => undefined),
    consume: (stream, consumer, handlers) => consume(client, stream, consumer, handlers),
    tail: (stream, options) => tail(client, stream, options),
  };
};
