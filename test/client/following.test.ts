/** Following runs while the connection to NATS breaks. */
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { resolveApp } from '../../src/app/resolve.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import { client } from '../../src/client/client.ts';
import { createClient, defineApp, defineTask, type RunEvent } from '../../src/index.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';
import { memoryStore } from '../../src/store/memory.ts';
import { startNode } from '../../src/testing/node.ts';
import { startProxy } from '../setup/proxy.ts';
import { showing, startWorld } from './world.ts';

const named = (event: RunEvent): unknown => (event.type === 'progress' ? event.value : event.type);

test('following begins and ends, though the connection breaks while the server is asked for it', async () => {
  const { shows, app, letGo } = showing();
  const world = await startWorld(app);
  onTestFinished(world.close);
  const proxy = await startProxy(world.url);
  onTestFinished(proxy.stop);
  const cutOff = await createClient({ nats: proxy.url, app });
  onTestFinished(() => cutOff.close());
  const run = await cutOff.submit(shows, {});
  for await (const event of run.events()) if (event.type === 'progress') break;
  const ending = cutOff.events()[Symbol.asyncIterator]();
  const ended = ending.next();

  const breaks = async (): Promise<void> => {
    const again = proxy.connected();
    proxy.cut();
    proxy.pass();
    await again;
  };
  proxy.pause('requests');
  const events = run.events()[Symbol.asyncIterator]();
  const first = events.next();
  await breaks();
  const told = [named((await first).value)];
  while (told.at(-1) !== 'one') told.push(named((await events.next()).value));
  // What it shows and how it ends is heard; what is asked then gets no answer.
  proxy.pause('requests');
  letGo();
  for (let next = await ended; !next.done && next.value.type !== 'completed'; ) next = await ending.next();
  const rest = (async () => {
    for (let next = await events.next(); !next.done; next = await events.next()) told.push(named(next.value));
  })();
  await breaks();
  await rest;
  expect(told).toEqual(['queued', 'started', 'one', 'two', 'completed']);
});

const toldOf = async (events: AsyncIterable<RunEvent>): Promise<readonly unknown[]> => {
  const told: unknown[] = [];
  for await (const event of events) told.push(named(event));
  return told;
};

const open = async (seed: number) => {
  const clock = virtualClock();
  const random = seededRandom(seed);
  const broker = memoryBroker({ clock, random });
  const counts = defineTask({
    name: 'counts',
    input: z.number(),
    run: async (ctx, to) => {
      for (let n = 1; n <= to; n++) {
        ctx.progress(n);
        await clock.sleep(300);
      }
    },
  });
  const app = defineApp({ tasks: [counts] });
  const starting = startNode({ app: resolveApp(app), broker, store: memoryStore(), clock, random, name: 'a' });
  await clock.advance(1_000);
  await starting;
  const connect = () => {
    const link = broker.connect();
    return { link, made: client<typeof app>({ ...link, clock, random, log: silentLog, region: 'main' }) };
  };
  const { link, made } = connect();
  const submitting = made.submit('counts', 40);
  await clock.advance(1_000);
  return { clock, broker, connect, link, made, run: await submitting };
};

const whole = ['queued', 'started', ...Array.from({ length: 40 }, (_, n) => n + 1), 'completed'];

test('a run is followed through outages one after the other, and all that it shows is told, once', async () => {
  const { clock, link, run } = await open(1);
  const random = seededRandom(1);
  const following = toldOf(run.events());
  for (let breaks = 0; breaks < 20; breaks++) {
    await clock.advance(random.next() * 800);
    link.cut();
    await clock.advance(random.next() * 6_000);
    link.heal();
  }
  await clock.advance(60_000);
  expect(await following).toEqual(whole);
});

test.each([1, 2, 3])('whatever is asked when the connection breaks, all is told, once (seed %d)', async (seed) => {
  const { clock, broker, connect, run } = await open(seed);
  await clock.advance(60_000);
  broker.setRates({ cut: 0.3, lostRead: 0.1 });
  const readers = Array.from({ length: 10 }, () => toldOf(connect().made.run('counts', run.id).events()));
  await clock.advance(300_000);
  for (const told of await Promise.all(readers)) expect(told).toEqual(whole);
});

test('who leaves while nobody answers is let go at once', async () => {
  const { clock, link, run, made } = await open(7);
  const abort = new AbortController();
  link.cut();
  const left = run.events()[Symbol.asyncIterator]();
  const reading = left.next();
  const following = [toldOf(run.events({ abortSignal: abort.signal })), toldOf(run.events())];
  await clock.settle();
  await left.return?.();
  expect(await reading).toEqual({ done: true, value: undefined });
  abort.abort();
  expect(await following[0]).toEqual([]);
  const closing = made.close();
  expect(await following[1]).toEqual([]);
  await clock.advance(5_000);
  await closing;
});

test('the end of a run that shows nothing is told at once', async () => {
  const { clock, made } = await open(8);
  await clock.advance(60_000);
  const submitting = made.submit('counts', 0);
  await clock.advance(1_000);
  const told: unknown[] = [];
  const following = (async () => {
    for await (const event of (await submitting).events()) told.push(named(event));
  })();
  await clock.settle();
  expect(told).toEqual(['queued', 'started', 'completed']);
  await following;
});
