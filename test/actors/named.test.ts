import { match } from 'ts-pattern';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { actor, type Behavior, type ReplyTo } from '../../src/actors/actor.ts';
import { namedActors } from '../../src/actors/named.ts';
import { memoryBroker, type MemoryConnection } from '../../src/bus/memory/broker.ts';
import { ConfigurationError, InvalidNameError } from '../../src/kernel/errors.ts';
import { type Log, silentLog } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { supervisor } from '../../src/supervisor/supervisor.ts';

const Command = z.discriminatedUnion('type', [
  z.object({ type: z.literal('add'), n: z.number().default(1) }),
  z.object({ type: z.enum(['total', 'hold', 'fail', 'crash', 'nonsense', 'blow_up', 'pause']) }),
]);
type Message = { readonly input: z.infer<typeof Command>; readonly reply: ReplyTo<unknown> };

const counter: Behavior<number, Message> = {
  init: () => 0,
  receive: (total, { input, reply }) => {
    if (input.type === 'add') return total + input.n;
    if (input.type === 'pause') return new Promise(() => {});
    match(input.type)
      .with('total', () => reply.resolve(total))
      .with('hold', () => {})
      .with('fail', () => reply.reject(new Error('database postgres://u:hunter2hunter2@db is gone')))
      .with('nonsense', () => reply.resolve({ big: 5n }))
      .with('blow_up', () => reply.resolve('x'.repeat(300_000)))
      .with('crash', () => {
        throw new Error('bug');
      })
      .exhaustive();
    return total;
  },
};

/** Log lines that can be looked at. */
const memoryLog = () => {
  const lines: string[] = [];
  const write = (fields: object | string, message?: string): void => void lines.push(JSON.stringify([fields, message]));
  const log: Log = { ...silentLog, warn: write, error: write, child: () => log };
  return { log, lines };
};

const process = ({ bus }: MemoryConnection, log: Log = silentLog) => {
  const metrics = createMetrics();
  return { ...namedActors({ bus, log, metrics }), metrics };
};

/** `here` has the actor `counter`, `there` only the bus. */
const setUp = async () => {
  const clock = virtualClock();
  const broker = memoryBroker({ clock, random: seededRandom(1) });
  const [near, far] = [broker.connect(), broker.connect()];
  const { log, lines } = memoryLog();
  const [here, there] = [process(near, log), process(far)];
  const subject = actor(counter, { clock, name: 'counter', capacity: 3 });
  const toMessage = (input: z.infer<typeof Command>, reply: ReplyTo<unknown>): Message => ({ input, reply });
  const named = here.register({ name: 'counter', ref: subject, schema: Command, toMessage });
  const spec = { restart: 'permanent', shutdownMs: 1_000 } as const;
  const children = [
    { id: 'actor', start: subject.start, ...spec },
    { id: 'name', start: named, ...spec },
  ];
  const tree = supervisor({ strategy: 'one_for_one', intensity: 3, periodMs: 1_000, children }, { clock });
  const abort = new AbortController();
  const { exit } = await tree.start(abort.signal);
  await clock.settle();
  const stop = async (): Promise<void> => {
    abort.abort();
    await exit;
    await clock.settle();
  };
  const request = async (data: string | Uint8Array) => {
    const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
    const reply = await far.bus.request('actors.counter', bytes);
    return { body: new TextDecoder().decode(reply.data), headers: reply.headers };
  };
  return { clock, here, there, far: far.bus, farLink: far, subject, stop, request, lines, named };
};

describe.each(['here', 'there'] as const)('an actor, reached by its name from %s,', (place) => {
  test('takes what it is told in order, and answers what it is asked', async () => {
    const { [place]: actors } = await setUp();
    await Promise.all([actors.tell('counter', { type: 'add', n: 5 }), actors.tell('counter', { type: 'add' })]);
    await expect(actors.ask('counter', { type: 'total' })).resolves.toBe(6);
  });

  test('never sees what does not fit its schema', async () => {
    const { [place]: actors } = await setUp();
    const wrong = { type: 'add', n: 'many' };
    await expect(actors.ask('counter', wrong)).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(actors.tell('counter', wrong)).rejects.toThrow(/^message to the actor "counter" does not fit/);
    await expect(actors.ask('counter', { type: 'total' })).resolves.toBe(0);
  });

  test('answers with an error', async () => {
    const { [place]: actors } = await setUp();
    await expect(actors.ask('counter', { type: 'fail' })).rejects.toThrow(/^database postgres:.* is gone$/);
  });

  test('times out when it does not answer', async () => {
    const { [place]: actors, clock } = await setUp();
    const asked = actors.ask('counter', { type: 'hold' }, { timeoutMs: 300 });
    await Promise.all([expect(asked).rejects.toMatchObject({ code: 'timeout' }), clock.advance(300)]);
  });

  test('is unavailable while it is down, and the same name leads to its next incarnation', async () => {
    const { [place]: actors, clock } = await setUp();
    await actors.tell('counter', { type: 'add', n: 5 });
    const asked = actors.ask('counter', { type: 'hold' });
    await actors.tell('counter', { type: 'crash' });
    await expect(asked).rejects.toMatchObject({ code: 'unavailable' });
    await clock.settle();
    await expect(actors.ask('counter', { type: 'total' })).resolves.toBe(0);
  });

  test('is unavailable, by its name, once it is gone', async () => {
    const { [place]: actors, stop } = await setUp();
    await stop();
    await expect(actors.ask('counter', { type: 'total' })).rejects.toThrow(
      /^actor "counter": not in this process, and nobody answers/,
    );
  });

  test('refuses a message when its mailbox is full', async () => {
    const { [place]: actors, clock } = await setUp();
    await actors.tell('counter', { type: 'pause' });
    await clock.settle();
    for (const n of [1, 2, 3]) await actors.tell('counter', { type: 'add', n });
    await expect(actors.tell('counter', { type: 'add' })).rejects.toMatchObject({ code: 'mailbox_full' });
  });

  test('is at fault for an answer that cannot be sent', async () => {
    const { [place]: actors } = await setUp();
    await expect(actors.ask('counter', { type: 'nonsense' })).rejects.toMatchObject({ code: 'invalid_answer' });
    await expect(actors.ask('counter', { type: 'blow_up' })).rejects.toThrow(
      /has 300002 bytes; at most 262144 are sent/,
    );
  });

  test('is not sent what is no message', async () => {
    const { [place]: actors } = await setUp();
    await expect(actors.ask('counter', { n: 5n })).rejects.toThrow('message to the actor "counter" is no JSON');
    await expect(actors.tell('counter', 'x'.repeat(300_000))).rejects.toMatchObject({ code: 'payload_too_large' });
  });
});

describe('a name', () => {
  test.each(['', 'a.b', '*', '>', 'a b', '$JS', 'x'.repeat(65)])('cannot be %j', async (name) => {
    const { here, there } = await setUp();
    const register = () =>
      here.register({
        name,
        ref: actor(counter, { clock: virtualClock() }),
        schema: Command,
        toMessage: (input, reply) => ({ input, reply }),
      });
    expect(register).toThrow(InvalidNameError);
    await expect(there.ask(name, null)).rejects.toThrow(InvalidNameError);
  });

  test('is taken once in a process, and free again when its actor is gone', async () => {
    const { named, stop } = await setUp();
    await expect(named(new AbortController().signal)).rejects.toThrow(ConfigurationError);
    await stop();
    await expect(named(new AbortController().signal)).resolves.toBeDefined();
  });

  test('that nobody has is told from a bus that is cut', async () => {
    const { there, farLink, clock } = await setUp();
    await expect(there.ask('nobody', null)).rejects.toThrow(
      'actor "nobody": not in this process, and nobody answers for that name',
    );
    farLink.cut();
    const asked = there.ask('nobody', null);
    const told = 'actor "nobody": not in this process, and the bus is not connected';
    await Promise.all([expect(asked).rejects.toThrow(told), clock.advance(5_000)]);
  });
});

describe('from a plain client', () => {
  test('a request is an ask, answered with bare JSON', async () => {
    const { request, here } = await setUp();
    await here.tell('counter', { type: 'add', n: 2 });
    await expect(request('{"type":"total"}')).resolves.toEqual({ body: '2', headers: {} });
  });

  test('a message without a reply is a tell', async () => {
    const { far, here, clock } = await setUp();
    far.publish('actors.counter', new TextEncoder().encode('{"type":"add","n":4}'));
    await clock.settle();
    await expect(here.ask('counter', { type: 'total' })).resolves.toBe(4);
  });

  test.each([
    ['{"type":', 'no JSON'],
    ['', 'the body is empty'],
    ['{"type":"total","__proto__":{}}', 'is no key'],
    [`${'['.repeat(50_000)}${']'.repeat(50_000)}`, 'nested deeper than 32 levels'],
    [new Uint8Array([0x22, 0xff, 0x22]), 'no UTF-8'],
    ['{"type":"unheard_of"}', 'does not fit its schema'],
  ])('%j is refused, counted and logged without being shown', async (data, reason) => {
    const { request, here, lines } = await setUp();
    const { body, headers } = await request(data);
    expect(headers).toEqual({ 'Troupe-Error': 'invalid_input' });
    expect(JSON.parse(body)).toMatchObject({
      error: { code: 'invalid_input', message: expect.stringContaining(reason) },
    });
    expect(await here.metrics.text()).toContain('troupe_bad_input_total{reason="invalid_message"} 1');
    expect(lines.join()).not.toContain('unheard_of');
    expect(lines.every((line) => line.length < 1_024)).toBe(true);
    await expect(here.ask('counter', { type: 'total' })).resolves.toBe(0);
  });

  test('an error shows no secret, and what is not the sender’s fault is not counted as bad input', async () => {
    const { request, here } = await setUp();
    const { body, headers } = await request('{"type":"fail"}');
    expect(headers).toEqual({ 'Troupe-Error': 'unknown' });
    expect(body).not.toContain('hunter2');
    expect(await here.metrics.text()).not.toContain('reason=');
  });
});
