/** What can be made to go wrong between a node and its server, at one exact message. */
import type { Blobs } from '../../src/bus/blobs.ts';
import type { Bus } from '../../src/bus/bus.ts';
import type { Delivery, PubAck, Queue } from '../../src/bus/queue.ts';

export interface Link {
  readonly bus: Bus;
  readonly queue: Queue;
  readonly blobs: Blobs;
}

/** The same link, with something between. */
export type Around = (link: Link) => Link;

export type Settlement = 'ack' | 'nak' | 'term' | 'working';

export interface Between {
  /** Each write to a stream: `go` sends it, and answers what the server says. */
  publish?(subject: string, data: Uint8Array, go: () => Promise<PubAck>): Promise<PubAck>;
  /** Each word about a delivery: `go` says it. */
  settle?(how: Settlement, delivery: Delivery, go: () => void): void;
  /** Each delivery, before the node has it. */
  deliver?(delivery: Delivery): unknown;
  /** Each answer to a read of a stream's last message of a subject, before the node has it. */
  read?(subject: string): void;
}

const send = (_subject: string, _data: Uint8Array, go: () => Promise<PubAck>): Promise<PubAck> => go();
const say = (_how: Settlement, _delivery: Delivery, go: () => void): void => go();

export const between =
  ({ publish = send, settle = say, deliver, read }: Between): Around =>
  ({ queue, ...link }) => {
    const settled = (delivery: Delivery): Delivery => ({
      ...delivery,
      headers: delivery.headers,
      ack: () => settle('ack', delivery, delivery.ack),
      nak: (delayMs) => settle('nak', delivery, () => delivery.nak(delayMs)),
      term: (reason) => settle('term', delivery, () => delivery.term(reason)),
      working: () => settle('working', delivery, delivery.working),
    });
    const consume: Queue['consume'] = (stream, consumer, handlers) =>
      queue.consume(stream, consumer, {
        ...handlers,
        deliver: (delivery) => {
          deliver?.(delivery);
          handlers.deliver(settled(delivery));
        },
      });
    return {
      ...link,
      queue: {
        ...queue,
        consume,
        last: async (stream, subject) => {
          const found = await queue.last(stream, subject);
          read?.(subject);
          return found;
        },
        publish: (subject, data, options) => publish(subject, data, () => queue.publish(subject, data, options)),
      },
    };
  };

const never = new Promise<never>(() => {});

/** A link that dies with its process: nothing leaves it any more, and nothing arrives. */
export const mortal = ({ bus, queue, blobs }: Link) => {
  let dead = false;

  const unlessDead =
    <Args extends readonly unknown[], Result>(ask: (...args: Args) => Promise<Result>) =>
    (...args: Args): Promise<Result> =>
      dead
        ? never
        : ask(...args).then(
            (result) => (dead ? never : result),
            (error: unknown) => (dead ? never : Promise.reject(error)),
          );
  const alive = (run: () => void): void => {
    if (!dead) run();
  };

  const silent = between({
    publish: (_subject, _data, go) => (dead ? never : go()),
    settle: (_how, _delivery, go) => alive(go),
  });
  const { queue: settling } = silent({ bus, queue, blobs });
  const link: Link = {
    bus: {
      ...bus,
      get connection() {
        return bus.connection;
      },
      publish: (...args) => alive(() => bus.publish(...args)),
      request: unlessDead(bus.request),
      subscribe: (subject, handler, options) =>
        bus.subscribe(subject, (message) => alive(() => handler(message)), options),
    },
    blobs: {
      put: unlessDead(blobs.put),
      get: unlessDead(blobs.get),
      remove: unlessDead(blobs.remove),
      list: unlessDead(blobs.list),
    },
    queue: {
      ...queue,
      publish: unlessDead(settling.publish),
      get: unlessDead(queue.get),
      last: unlessDead(queue.last),
      lastOfEach: unlessDead(queue.lastOfEach),
      subjects: unlessDead(queue.subjects),
      purge: unlessDead(queue.purge),
      streamInfo: unlessDead(queue.streamInfo),
      consumerInfo: unlessDead(queue.consumerInfo),
      consume: (stream, consumer, handlers) =>
        settling.consume(stream, consumer, {
          deliver: (delivery) => alive(() => handlers.deliver(delivery)),
          ended: (left, reason) => alive(() => handlers.ended(left, reason)),
        }),
    },
  };
  return {
    link,
    die: (): void => {
      dead = true;
    },
  };
};
