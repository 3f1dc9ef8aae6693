/** Core messaging over a client's link. What is published while it is cut is gone. */
import { InvalidNameError, PayloadTooLargeError, RefusedError, UnavailableError } from '../../kernel/errors.ts';
import type { Bus, Headers, Message, RequestOptions, Subscription } from '../bus.ts';
import { headerName, lineBreak } from '../headers.ts';
import type { Client } from './client.ts';
import type { Listener } from './core.ts';
import { isSubject } from './matching.ts';
import { headerBytes } from './store.ts';

export const maxPayload = 1_048_576;

/** As they arrive: a header is a line of UTF-8, and spaces around its value are not part of it. */
const arriving = (headers: Headers): Headers =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.trim().toWellFormed()]));

/** A copy to send. Throws what the NATS adapter throws for what cannot be sent. */
export const checked = (subject: string, data: Uint8Array, headers: Headers = {}): Message => {
  if (!isSubject(subject)) throw new InvalidNameError('subject', subject);
  for (const [name, value] of Object.entries(headers)) {
    if (!headerName.test(name)) throw new InvalidNameError('header', name);
    if (lineBreak.test(value)) throw new RefusedError(`header ${name}: a value cannot hold a line break`);
  }
  const bytes = data.length + headerBytes(headers);
  if (bytes <= maxPayload) return { subject, data: data.slice(), headers: arriving(headers) };
  throw new PayloadTooLargeError(`${subject}: ${bytes} bytes are more than the server takes in one message`);
};

const copy = (message: Message): Message => ({ ...message, data: message.data.slice() });

export const memoryBus = (client: Client): Bus => {
  const { random, faults, server, link, attached } = client;

  const publish: Bus['publish'] = (subject, data, { headers, reply } = {}) => {
    const message = { ...checked(subject, data, headers), ...(reply !== undefined && { reply }) };
    if (client.state === 'closed') throw new UnavailableError(`${subject}: the connection is closed`);
    if (faults.draw('message', subject) === 'lose') return;
    link.send(() => server.route(message));
  };

  const subscribe: Bus['subscribe'] = (subject, handler, { queue } = {}) => {
    let open = true;
    const deliver: Listener['deliver'] = (message) => link.receive(() => open && handler(copy(message)));
    const listener: Listener = { subject, deliver, ...(queue !== undefined && { queue }) };
    const attach = {
      back: () => link.send(() => open && server.core.add(listener)),
      lost: () => server.core.remove(listener),
    };
    attach.back();
    attached.add(attach);
    return {
      unsubscribe: () => {
        open = false;
        attached.delete(attach);
        link.send(() => server.core.remove(listener));
      },
    };
  };

  const request = (subject: string, data: Uint8Array, { headers, timeoutMs }: RequestOptions): Promise<Message> => {
    const reply = `_INBOX.${random.nonce()}`;
    const message = { ...checked(subject, data, headers), reply };
    const what = `request to "${subject}"`;
    let inbox: Listener | undefined;
    const asked = client.ask<Message>({
      what,
      timeoutMs,
      prompt: false,
      send: ({ resolve, reject }) => {
        if (faults.draw('message', subject) === 'lose') return;
        const listener = { subject: reply, deliver: (answer: Message) => link.receive(() => resolve(copy(answer))) };
        inbox = listener;
        link.send(() => {
          server.core.add(listener);
          if (server.route(message) > 0) return;
          link.receive(() => reject(new UnavailableError(`${what}: nobody listens`)));
        });
      },
    });
    return asked.finally(() => inbox && server.core.remove(inbox));
  };

  const flush = (): Promise<void> => client.call('flush', () => {});

  return {
    maxPayload,
    get connection() {
      return client.state;
    },
    publish,
    request: async (subject, data, options = {}) => request(subject, data, options),
    subscribe,
    onConnection: (listener): Subscription => ({ unsubscribe: client.listen(listener) }),
    flush,
    close: async () => {
      if (client.state === 'connected') await flush().catch(() => {}); // A link that is cut has nothing left to flush.
      client.close();
    },
  };
};
