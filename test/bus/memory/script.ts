/** Scripts of operations on a stream and its consumer, and what each of them answers, in terms that two brokers share. */
import fc from 'fast-check';
import type { Bus } from '../../../src/bus/bus.ts';
import type { Delivery, PubAck, Queue, Stored, StreamSpec } from '../../../src/bus/queue.ts';
import { isTroupeError } from '../../../src/kernel/errors.ts';

export type Operation =
  | { readonly type: 'publish'; readonly subject: string; readonly expected: Expected; readonly bytes: number }
  | { readonly type: 'pull'; readonly batch: number }
  | { readonly type: 'settle'; readonly how: 'ack' | 'nak' | 'term' | 'working'; readonly which: number }
  | { readonly type: 'get'; readonly seq: number }
  | { readonly type: 'last' | 'subjects' | 'purge'; readonly filter: string }
  | { readonly type: 'lastOfEach'; readonly subjects: readonly string[] };

/** Of the subject's last sequence: whatever it is, what it is, none, one too high. */
type Expected = 'any' | 'right' | 'none' | 'wrong';

const chosen = <const T>(...values: readonly T[]) => fc.constantFrom(...values);
const filters = chosen('a', 'c.*', '>', '*', 'nothing');

export const script: fc.Arbitrary<readonly Operation[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        type: fc.constant('publish' as const),
        subject: chosen('a', 'b', 'c.d', 'c.e'),
        expected: chosen<Expected>('any', 'any', 'right', 'none', 'wrong'),
        bytes: chosen(1, 1, 100, 400),
      }),
    },
    { weight: 3, arbitrary: fc.record({ type: fc.constant('pull' as const), batch: fc.integer({ min: 1, max: 4 }) }) },
    {
      weight: 4,
      arbitrary: fc.record({
        type: fc.constant('settle' as const),
        how: chosen('ack', 'ack', 'nak', 'term', 'working'),
        which: fc.nat(5),
      }),
    },
    fc.record({ type: fc.constant('get' as const), seq: fc.integer({ min: 1, max: 12 }) }),
    fc.record({ type: chosen('last' as const, 'subjects' as const, 'purge' as const), filter: filters }),
    fc.constant({ type: 'lastOfEach' as const, subjects: ['a', 'b', 'c.d', 'none'] }),
  ),
  { minLength: 5, maxLength: 40 },
);

export interface Scene {
  readonly keep: StreamSpec['keep'];
  readonly ack: 'each' | 'through';
}

export interface Player {
  /** What the operation answered: a value, or an error's code. */
  play(operation: Operation): Promise<unknown>;
  /** The stream and the consumer as they are now. */
  state(): Promise<unknown>;
  close(): Promise<void>;
}

/** Plays on a small stream of that name, with a consumer that allows three messages in hands. */
export const player = async (
  { bus, queue }: { readonly bus: Bus; readonly queue: Queue },
  name: string,
  { keep, ack }: Scene,
): Promise<Player> => {
  const spec = { name, subjects: [`${name}.>`], keep, storage: 'memory', maxBytes: 1_000 } as const;
  await queue.ensureStream(spec);
  const consumer = { stream: name, name: 'c', filter: `${name}.>`, ackWaitMs: 60_000, maxAckPending: 3, ack };
  await queue.ensureConsumer(consumer);
  const pulling = puller(queue, name);

  const publish = async (subject: string, expected: Expected, bytes: number): Promise<PubAck> => {
    const last = (await queue.last(name, subject))?.seq ?? 0;
    const expectSeq = { right: last, none: 0, wrong: last + 1 };
    const data = new Uint8Array(bytes);
    return queue.publish(subject, data, expected === 'any' ? {} : { expectSeq: expectSeq[expected] });
  };

  const settle = async (how: 'ack' | 'nak' | 'term' | 'working', delivery: Delivery | undefined): Promise<void> => {
    if (how === 'term') delivery?.term('no');
    else delivery?.[how]();
    await bus.flush();
    // A settlement has no answer, and the server takes it in a turn of its own.
    for (let n = 0; n < 3; n += 1) await queue.consumerInfo(name, 'c');
  };

  const perform = async (operation: Operation): Promise<unknown> => {
    switch (operation.type) {
      case 'publish':
        return publish(`${name}.${operation.subject}`, operation.expected, operation.bytes);
      case 'pull':
        return pulling.pull(operation.batch);
      case 'settle':
        return settle(operation.how, pulling.held[operation.which]);
      case 'get':
        return shown(await queue.get(name, operation.seq));
      case 'last':
        return shown(await queue.last(name, `${name}.${operation.filter}`));
      case 'subjects':
        return sorted(await queue.subjects(name, `${name}.${operation.filter}`));
      case 'purge':
        // Where something is in hands, the server forgets only some of it, by where its ack floor happens to stand.
        if (keep !== 'work' && pulling.held.length > 0) return undefined;
        return queue.purge(name, `${name}.${operation.filter}`);
      case 'lastOfEach': {
        const found = await queue.lastOfEach(
          name,
          operation.subjects.map((subject) => `${name}.${subject}`),
        );
        return sorted(new Map([...found].map(([subject, stored]) => [subject, shown(stored)])));
      }
    }
  };

  return {
    play: (operation) =>
      perform(operation).catch((error: unknown) => (isTroupeError(error) ? error.code : String(error))),
    state: async () => {
      const { lastSeq, messages } = await queue.streamInfo(name);
      const { pending, ackPending, redelivered } = await queue.consumerInfo(name, 'c');
      return { lastSeq, messages, pending, ackPending, redelivered };
    },
    close: pulling.close,
  };
};

const puller = (queue: Queue, name: string) => {
  const held: Delivery[] = [];
  let arrived: unknown[] = [];
  let asked = 0;
  let over = (): void => {};
  const consumer = queue.consume(name, 'c', {
    deliver: (delivery) => {
      held.push(delivery);
      arrived.push([shown(delivery), delivery.deliveries, delivery.pending]);
      if (arrived.length === asked) over();
    },
    ended: (left, reason) => {
      arrived.push([left, reason]);
      over();
    },
  });

  return {
    held,
    close: consumer.close,
    /** All deliveries, and how the pull ended if it fell short. */
    pull: async (batch: number): Promise<readonly unknown[]> => {
      arrived = [];
      asked = batch;
      const done = new Promise<void>((resolve) => {
        over = resolve;
      });
      consumer.pull({ batch, waitMs: 0 });
      await done;
      return arrived;
    },
  };
};

const shown = (message: Stored | undefined) => message && [message.subject, message.seq, message.data.length];

const sorted = <V>(map: ReadonlyMap<string, V>) => [...map].toSorted(([a], [b]) => (a < b ? -1 : 1));
