import { describe, expect, test } from 'vitest';
import type { Connection, Message } from '../../src/bus/bus.ts';
import { bytes, collect, type Make, text, work } from './world.ts';

/** What `Bus` promises, whatever is behind it. */
export const busContract = (make: Make): void => {
  describe('messages', () => messageContract(make));
  describe('requests', () => requestContract(make));
  describe('the connection', () => connectionContract(make));
};

const open = async (make: Make) => {
  const world = await make();
  const [one, other] = await Promise.all([world.connect(), world.connect()]);
  return { world, bus: one.bus, queue: one.queue, other: other.bus };
};

const messageContract = (make: Make): void => {
  test('a message reaches all who listen to its subject, as it was sent', async () => {
    const { bus, other } = await open(make);
    const heard = collect<Message>();
    bus.subscribe('a.b', heard.push);
    other.subscribe('a.*', heard.push);
    other.subscribe('a.>', heard.push);
    other.subscribe('b.>', heard.push);
    await Promise.all([bus.flush(), other.flush()]);
    bus.publish('a.b', bytes('hi'), { headers: { Own: 'ü', lower: 'x' }, reply: 'answers' });
    for (const message of await heard.count(3)) {
      expect(message).toMatchObject({ subject: 'a.b', reply: 'answers' });
      expect({ ...message.headers }).toEqual({ Own: 'ü', lower: 'x' });
      expect(text(message.data)).toBe('hi');
    }
    await bus.flush();
    await other.flush();
    expect(heard.items).toHaveLength(3);
  });

  test('a message without headers has none, and without a reply none', async () => {
    const { bus } = await open(make);
    const heard = collect<Message>();
    bus.subscribe('a', heard.push);
    bus.publish('a', bytes(''));
    const [message] = await heard.count(1);
    expect(Object.keys(message?.headers ?? { none: '' })).toEqual([]);
    expect(message && 'reply' in message).toBe(false);
  });

  test('of one queue group, one member gets a message', async () => {
    const { bus, other } = await open(make);
    const heard = collect<string>();
    bus.subscribe('a', () => heard.push('group'), { queue: 'q' });
    other.subscribe('a', () => heard.push('group'), { queue: 'q' });
    other.subscribe('a', () => heard.push('single'));
    await Promise.all([bus.flush(), other.flush()]);
    for (let n = 0; n < 20; n += 1) bus.publish('a', bytes('x'));
    await heard.count(40);
    await Promise.all([bus.flush(), other.flush()]);
    expect(heard.items.filter((each) => each === 'group')).toHaveLength(20);
  });

  test('messages of one sender come in the order in which they were sent', async () => {
    const { bus, other } = await open(make);
    const heard = collect<string | undefined>();
    other.subscribe('a', ({ data }) => heard.push(text(data)));
    await other.flush();
    const sent = Array.from({ length: 500 }, (_, n) => `${n}`);
    for (const each of sent) bus.publish('a', bytes(each));
    expect(await heard.count(500)).toEqual(sent);
  });

  test('who has unsubscribed hears nothing more', async () => {
    const { bus } = await open(make);
    const [gone, there] = [collect<Message>(), collect<Message>()];
    const subscription = bus.subscribe('a', gone.push);
    bus.subscribe('a', there.push);
    subscription.unsubscribe();
    bus.publish('a', bytes('x'));
    await there.count(1);
    expect(gone.items).toEqual([]);
  });

  test('a handler that throws does not keep others, or the next message, from being handled', async () => {
    const { bus } = await open(make);
    const heard = collect<Message>();
    bus.subscribe('a', (message) => {
      heard.push(message);
      throw new Error('not today');
    });
    bus.subscribe('a', heard.push);
    bus.publish('a', bytes('1'));
    bus.publish('a', bytes('2'));
    await heard.count(4);
  });

  test('a stream stores what is published on its subjects, with a plain client’s headers', async () => {
    const { bus, queue } = await open(make);
    await queue.ensureStream(work);
    bus.publish('work.a', bytes('x'), { headers: { 'Nats-Msg-Id': 'mine', own: 'yes' } });
    await expect.poll(() => queue.last('WORK', 'work.a')).toBeDefined();
    expect((await queue.last('WORK', 'work.a'))?.headers).toMatchObject({ 'Nats-Msg-Id': 'mine', own: 'yes' });
    const answer = await bus.request('work.b', bytes('x'));
    expect(JSON.parse(text(answer.data) ?? '')).toMatchObject({ stream: 'WORK', seq: 2 });
  });

  test('what cannot be sent is refused at once', async () => {
    const { bus } = await open(make);
    const x = bytes('x');
    const sent =
      (subject: string, data: Uint8Array, headers = {}) =>
      () =>
        bus.publish(subject, data, { headers });
    expect(sent('a', new Uint8Array(bus.maxPayload + 1))).toThrow(
      expect.objectContaining({ code: 'payload_too_large' }),
    );
    expect(sent('a b', x)).toThrow(expect.objectContaining({ code: 'invalid_name' }));
    expect(sent('', x)).toThrow(expect.objectContaining({ code: 'invalid_name' }));
    expect(sent('a', x, { a: 'b\r\nc: d' })).toThrow(expect.objectContaining({ code: 'refused' }));
    expect(sent('a', x, { 'a b': 'c' })).toThrow(expect.objectContaining({ code: 'invalid_name' }));
  });
};

const requestContract = (make: Make): void => {
  test('a request gets the answer that was given to it', async () => {
    const { bus, other } = await open(make);
    other.subscribe('double', ({ data, headers, reply }) => {
      if (reply) other.publish(reply, bytes(`${Number(text(data)) * 2}`), { headers });
    });
    await other.flush();
    const numbers = Array.from({ length: 100 }, (_, n) => n);
    const answers = await Promise.all(
      numbers.map((n) => bus.request('double', bytes(`${n}`), { headers: { n: `${n}` } })),
    );
    expect(answers.map(({ data }) => Number(text(data)))).toEqual(numbers.map((n) => n * 2));
    expect(answers.map(({ headers }) => headers['n'])).toEqual(numbers.map(String));
  });

  test('a request that nobody listens to is unavailable at once', async () => {
    const { bus } = await open(make);
    await expect(bus.request('nobody', bytes('x'))).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('a request that nobody answers times out', async () => {
    const { world, bus, other } = await open(make);
    other.subscribe('silence', () => {});
    await other.flush();
    const since = world.clock.monotonic();
    const asked = world.eventually(bus.request('silence', bytes('x'), { timeoutMs: 300 }));
    await expect(asked).rejects.toMatchObject({ code: 'timeout' });
    expect(world.clock.monotonic() - since).toBeGreaterThanOrEqual(299);
  });

  test('a request that is too large is not sent', async () => {
    const { bus } = await open(make);
    const asked = bus.request('a', new Uint8Array(bus.maxPayload + 1));
    await expect(asked).rejects.toMatchObject({ code: 'payload_too_large' });
  });
};

const connectionContract = (make: Make): void => {
  test('closing tells who listens, fails what waits, and can be done twice', async () => {
    const { bus, other } = await open(make);
    other.subscribe('silence', () => {});
    await other.flush();
    const states = collect<Connection>();
    bus.onConnection(states.push);
    expect(bus.connection).toBe('connected');
    const asked = bus.request('silence', bytes('x'), { timeoutMs: 60_000 });
    const failed = expect(asked).rejects.toMatchObject({ code: 'timeout' });
    await Promise.all([bus.close(), bus.close()]);
    await failed;
    expect(await states.count(1)).toEqual(['closed']);
    expect(bus.connection).toBe('closed');
  });

  test('a closed connection sends nothing more', async () => {
    const { bus, queue } = await open(make);
    await bus.close();
    await expect(bus.request('a', bytes('x'))).rejects.toMatchObject({ code: 'unavailable' });
    await expect(queue.publish('a', bytes('x'))).rejects.toMatchObject({ code: 'unavailable' });
    expect(() => bus.publish('a', bytes('x'))).toThrow(expect.objectContaining({ code: 'unavailable' }));
  });

  test('what was published before closing is sent', async () => {
    const { bus, other } = await open(make);
    const heard = collect<Message>();
    other.subscribe('a', heard.push);
    await other.flush();
    for (let n = 0; n < 100; n += 1) bus.publish('a', bytes('x'));
    await bus.close();
    await heard.count(100);
  });
};
