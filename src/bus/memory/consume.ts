/** The client's side of pulls and deliveries. */
import type { Consumer, Delivery, PullHandlers } from '../queue.ts';
import type { Client } from './client.ts';
import type { MemoryConsumer } from './consumer.ts';
import type { HandOut, Pull } from './pulls.ts';

const delivery = (
  client: Client,
  consumer: MemoryConsumer,
  { message, number, deliveries, pending }: HandOut,
): Delivery => {
  const { link, later, server, faults } = client;
  const { stream, name } = consumer.spec;

  const settle = (run: (consumer: MemoryConsumer) => void): void => {
    if (faults.draw('ack', message.subject) === 'lose') return;
    link.send(() => later(() => run(consumer)));
  };

  const advise = (reason: string): void => {
    const subject = `$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.${stream}.${name}`;
    const told = { stream, consumer: name, stream_seq: message.seq, deliveries, reason };
    server.route({ subject, data: new TextEncoder().encode(JSON.stringify(told)), headers: {} });
  };

  return {
    ...message,
    data: message.data.slice(),
    deliveries,
    pending,
    ack: () => settle((each) => each.ack(message.seq)),
    nak: (delayMs = 0) => settle((each) => each.nak(message.seq, number, delayMs)),
    working: () => settle((each) => each.working(message.seq)),
    term: (reason) =>
      settle((each) => {
        each.ack(message.seq);
        advise(reason);
      }),
  };
};

export const consume = (client: Client, stream: string, name: string, handlers: PullHandlers): Consumer => {
  const { link, server, faults, clock, attached } = client;
  const open = new Map<Pull, { left: number; consumer: MemoryConsumer | undefined }>();
  let closed = false;

  const end = (pull: Pull, reason: 'empty' | 'lost'): void => {
    const left = open.get(pull)?.left ?? 0;
    if (open.delete(pull) && left > 0 && !closed) handlers.ended(left, reason);
  };

  const arrived = (pull: Pull, consumer: MemoryConsumer, handOut: HandOut): void => {
    const asked = open.get(pull);
    if (!asked) return;
    asked.left -= 1;
    if (asked.left === 0) open.delete(pull);
    handlers.deliver(delivery(client, consumer, handOut));
  };

  const start = (pull: Pull, waitMs: number): void => {
    const asked = open.get(pull);
    if (!asked) return;
    try {
      asked.consumer = server.consumer(stream, name);
      asked.consumer.pull(pull, waitMs);
    } catch {
      pull.ended('lost'); // Nobody answers for a consumer that does not exist.
    }
  };

  const asking = (batch: number): Pull => {
    const pull: Pull = {
      left: batch,
      deliver: (handOut) => {
        const consumer = open.get(pull)?.consumer;
        if (!consumer) return;
        link.receive(() => arrived(pull, consumer, handOut));
        const twice = faults.draw('deliver', handOut.message.subject) === 'duplicate';
        if (twice) clock.immediate(() => consumer.repeat(handOut.message.seq));
      },
      ended: (reason) => link.receive(() => end(pull, reason)),
    };
    return pull;
  };

  const lost = (): void => {
    for (const [pull, { consumer }] of [...open]) {
      consumer?.forget(pull);
      clock.immediate(() => end(pull, 'lost'));
    }
  };

  const attach = { lost };
  attached.add(attach);

  return {
    pull: ({ batch, waitMs }) => {
      if (closed || batch < 1) return;
      const pull = asking(batch);
      open.set(pull, { left: batch, consumer: undefined });
      if (link.up) link.send(() => start(pull, waitMs));
      else clock.immediate(() => end(pull, 'lost'));
    },
    close: async () => {
      closed = true;
      attached.delete(attach);
      const release = (): void => {
        for (const [pull, { consumer }] of open) consumer?.forget(pull);
      };
      // The answer comes behind whatever had been handed out; a link that is cut has lost that already.
      if (link.up) await client.call(`end of pulls from "${name}"`, release).catch(() => {});
      open.clear();
    },
  };
};
