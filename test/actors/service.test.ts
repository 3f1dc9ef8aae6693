import { beforeEach, describe, expect, test } from 'vitest';
import { type ErrorAnswer, service, type ServiceEndpoint } from '../../src/actors/service.ts';
import type { Bus, Message } from '../../src/bus/bus.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { systemClock as clock } from '../../src/kernel/clock.ts';
import { summarise } from '../../src/kernel/error.ts';
import { OverloadedError } from '../../src/kernel/errors.ts';
import { silentLog as log } from '../../src/kernel/log.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { collect } from '../contract/world.ts';

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const decode = ({ data }: Message) => JSON.parse(new TextDecoder().decode(data));
const nothing = new Uint8Array();

let bus: Bus;
let asker: Bus;
beforeEach(() => {
  const broker = memoryBroker({ clock, random: seededRandom(1) });
  bus = broker.connect().bus;
  asker = broker.connect().bus;
});

const errorAnswer = (error: unknown): ErrorAnswer => {
  const { code, message } = summarise(error);
  return { status: error instanceof OverloadedError ? 429 : 500, message, body: encode({ error: { code } }) };
};

const start = async (endpoints: readonly ServiceEndpoint[], seed = 1, on = bus) => {
  const life = new AbortController();
  const begin = service({
    bus: on,
    clock,
    random: seededRandom(seed),
    log,
    name: 'greeter',
    version: '1.2.3',
    description: 'greets',
    metadata: { node: 'n1' },
    endpoints,
    errorAnswer,
  });
  const { exit } = await begin(life.signal);
  await on.flush();
  return { exit, stop: () => life.abort() };
};

const greet: ServiceEndpoint = {
  name: 'greet',
  subject: 'greet.*',
  metadata: { takes: 'a name' },
  handle: async ({ subject }) => encode(`Hello, ${subject.split('.')[1]}`),
};
const fail: ServiceEndpoint = {
  name: 'fail',
  subject: 'fail',
  handle: async () => {
    throw new Error('no\r\nsuch luck');
  },
};

describe('a service', () => {
  test('answers requests', async () => {
    await start([greet]);
    expect(decode(await asker.request('greet.Ada', nothing))).toBe('Hello, Ada');
  });

  test('answers an error with a body, and with headers of one line each', async () => {
    await start([fail]);
    const answer = await asker.request('fail', nothing);
    expect(answer.headers).toMatchObject({ 'Nats-Service-Error': 'no such luck', 'Nats-Service-Error-Code': '500' });
    expect(decode(answer)).toEqual({ error: { code: 'unknown' } });
  });

  test.each(['$KV.tasks.a.b', '$JS.API.STREAM.PURGE.WORK', 'tasks.a', 'work.main.p.high.0.a.b', 'dlq.x', 'actors.a'])(
    'does nothing for who wants the answer on %s',
    async (reply) => {
      const done = collect<string>();
      const { stop, exit } = await start([{ ...greet, handle: async () => (done.push('done'), encode('done')) }]);
      const wrongly = collect<Message>();
      asker.subscribe(reply, wrongly.push);
      for (const subject of ['greet.Ada', '$SRV.PING', '$SRV.STATS.greeter'])
        asker.publish(subject, nothing, { reply });
      const { endpoints } = decode(await asker.request('$SRV.STATS.greeter', nothing));
      expect(endpoints).toMatchObject([{ num_requests: 1, num_errors: 1, last_error: expect.stringContaining(reply) }]);
      stop();
      await exit;
      expect([...done.items, ...wrongly.items]).toEqual([]);
    },
  );

  test('says what it is, to all who ask, to those who ask for its name, and to those who ask for it alone', async () => {
    await start([greet, fail]);
    const pong = decode(await asker.request('$SRV.PING', nothing));
    expect(pong).toEqual({
      type: 'io.nats.micro.v1.ping_response',
      name: 'greeter',
      id: expect.any(String),
      version: '1.2.3',
      metadata: { node: 'n1' },
    });
    expect(decode(await asker.request('$SRV.PING.greeter', nothing))).toEqual(pong);
    const info = decode(await asker.request(`$SRV.INFO.greeter.${pong.id}`, nothing));
    expect(info).toEqual({
      ...pong,
      type: 'io.nats.micro.v1.info_response',
      description: 'greets',
      endpoints: [
        { name: 'greet', subject: 'greet.*', queue_group: 'q', metadata: { takes: 'a name' } },
        { name: 'fail', subject: 'fail', queue_group: 'q', metadata: {} },
      ],
    });
  });

  test('has no queue group, by its own word too, where every one of its name gets each request', async () => {
    await start([{ ...greet, everyone: true }]);
    for (const about of ['INFO', 'STATS'])
      expect(decode(await asker.request(`$SRV.${about}.greeter`, nothing)).endpoints).toMatchObject([
        { name: 'greet', queue_group: '' },
      ]);
  });

  test('counts what it was asked, what went wrong, and how long it took', async () => {
    await start([greet, fail]);
    for (let index = 0; index < 3; index++) await asker.request('greet.Ada', nothing);
    await asker.request('fail', nothing);
    const { type, started, endpoints } = decode(await asker.request('$SRV.STATS.greeter', nothing));
    expect(type).toBe('io.nats.micro.v1.stats_response');
    expect(new Date(started).toISOString()).toBe(started);
    expect(endpoints).toMatchObject([
      { name: 'greet', num_requests: 3, num_errors: 0, last_error: '' },
      { name: 'fail', num_requests: 1, num_errors: 1, last_error: '500:no such luck' },
    ]);
    const [{ processing_time: all, average_processing_time: each }] = endpoints;
    expect(Number.isSafeInteger(all)).toBe(true);
    expect(Math.abs(each - all / 3)).toBeLessThanOrEqual(1);
  });

  test('shares its requests with others of its name, while each answers about itself', async () => {
    const asked = collect<string>();
    const as = (who: string): ServiceEndpoint => ({ ...greet, handle: async () => (asked.push(who), encode(who)) });
    await start([as('one')], 1);
    await start([as('two')], 2);
    for (let index = 0; index < 20; index++) await asker.request('greet.Ada', nothing);
    expect(asked.items).toHaveLength(20);
    const pongs = collect<Message>();
    asker.subscribe('pongs', pongs.push);
    await asker.flush();
    asker.publish('$SRV.PING', nothing, { reply: 'pongs' });
    const ids = (await pongs.count(2)).map((each) => decode(each).id);
    expect(new Set(ids).size).toBe(2);
  });

  test('finishes what it has begun when it stops, and tells it so', async () => {
    const begun = Promise.withResolvers<void>();
    const slow: ServiceEndpoint = {
      ...greet,
      handle: async (_message, signal) => {
        begun.resolve();
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        return encode('cut short');
      },
    };
    const { exit, stop } = await start([slow]);
    const answer = asker.request('greet.Ada', nothing);
    await begun.promise;
    stop();
    expect(decode(await answer)).toBe('cut short');
    await exit;
    await expect(asker.request('greet.Ada', nothing)).rejects.toMatchObject({ code: 'unavailable' });
    await expect(asker.request('$SRV.PING', nothing)).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('refuses at once what it has no room for', async () => {
    const go = Promise.withResolvers<void>();
    const slow: ServiceEndpoint = { ...greet, handle: () => go.promise.then(() => encode('done')) };
    await start([slow]);
    const half = new Uint8Array(1_000_000);
    const answers = Array.from({ length: 70 }, () => asker.request('greet.Ada', half));
    const first = await Promise.race(answers);
    expect(first.headers['Nats-Service-Error-Code']).toBe('429');
    go.resolve();
    const codes = (await Promise.all(answers)).map(({ headers }) => headers['Nats-Service-Error-Code']);
    expect(codes.filter((code) => code === undefined).length).toBe(67);
    expect(decode(await asker.request('greet.Ada', nothing))).toBe('done');
  });

  test('answers an error where the answer is too large for one message', async () => {
    await start([{ ...greet, handle: async () => new Uint8Array(bus.maxPayload + 1) }]);
    const answer = await asker.request('greet.Ada', nothing);
    expect(decode(answer)).toEqual({ error: { code: 'payload_too_large' } });
  });
});
