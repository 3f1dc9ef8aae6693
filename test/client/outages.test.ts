import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { bucket } from '../../src/kv/bucket.ts';
import { createClient, defineApp, defineTask, type RunEvent, schedule } from '../../src/index.ts';
import { freshNats } from '../setup/servers.ts';
import { startWorld, showing } from './world.ts';

const hello = defineTask({
  name: 'hello',
  input: z.object({ who: z.string() }),
  output: z.string(),
  run: async (_ctx, { who }) => `Hello, ${who}`,
});
const app = defineApp({ pools: { default: { workers: { min: 4, max: 4 } } }, tasks: [hello] });

const open = async (options: Parameters<typeof startWorld>[1] = {}) => {
  const world = await startWorld(app, options);
  let running = true;
  const stop = async (): Promise<void> => {
    if (running) await world.node.stop();
    running = false;
  };
  onTestFinished(async () => {
    await stop();
    await world.plain.bus.close();
  });
  return { ...world, stop };
};

test('with the app, a task is accepted while no node runs, and runs when one does', async () => {
  const { client: connect, stop, startNode } = await open();
  const client = await connect({ app });
  await stop();
  const run = await client.submit(hello, { who: 'Ada' });
  expect(await run.status()).toMatchObject({ status: 'queued', waitingFor: { reason: 'no_worker' } });
  const result = run.result();
  const other = await startNode('n2');
  onTestFinished(other.stop);
  expect(await result).toBe('Hello, Ada');
});

test('without the app, it is said that no ingress answers', async () => {
  const { client: connect, stop } = await open();
  const client = await connect();
  await stop();
  await expect(client.submit(hello, { who: 'Ada' })).rejects.toMatchObject({
    code: 'unavailable',
    message: 'no ingress answers submit.hello: is a node running?',
  });
  await expect(client.group('g').counts()).rejects.toMatchObject({ code: 'unavailable' });
  await expect(client.run(hello, 'x').status()).rejects.toMatchObject({ code: 'unavailable' });
});

test('nobody is there: it is said where nobody was found', async () => {
  await expect(createClient({ nats: 'nats://127.0.0.1:1' })).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('127.0.0.1:1'),
  });
});

test('an app that would not boot makes no client', async () => {
  const wrong = defineApp({ tasks: [hello, hello] });
  await expect(createClient({ app: wrong })).rejects.toMatchObject({ code: 'configuration' });
});

const progressOf = async (events: AsyncIterable<RunEvent>): Promise<readonly unknown[]> => {
  const values: unknown[] = [];
  for await (const event of events) if (event.type === 'progress') values.push(event.value);
  return values;
};

test('what runs show is seen after a restart of the server, by who followed through it and by who comes then', async () => {
  const { shows, app: shown, letGo } = showing();
  const world = await startWorld(shown);
  onTestFinished(world.close);
  const client = await world.client({ app: shown });
  const run = await client.submit(shows, {});
  const seen: unknown[] = [];
  for await (const event of run.events()) {
    if (event.type !== 'progress') continue;
    seen.push(event.value);
    if (event.value !== 'one') continue;
    await world.server.restart();
    // Whoever starts to follow now may be there before the stream is.
    const later = progressOf(client.run(shows, run.id).events());
    await expect.poll(() => world.plain.queue.streamInfo('TOKENS').catch(() => undefined)).toBeDefined();
    letGo();
    expect(await later).toEqual(['two']);
  }
  expect(seen).toEqual(['one', 'two']);
});

test('who follows a run while no node is there, and nothing can be shown, sees it when there is one', async () => {
  const { shows, app: shown, letGo } = showing();
  const world = await startWorld(shown);
  onTestFinished(() => world.plain.bus.close());
  const client = await world.client({ app: shown });
  await world.node.stop();
  await world.server.restart();
  const run = await client.submit(shows, {});
  const seen: string[] = [];
  for await (const event of run.events()) {
    seen.push(event.type === 'progress' ? String(event.value) : event.type);
    if (event.type === 'queued') {
      const node = await world.startNode('n2');
      onTestFinished(node.stop);
    }
    if (seen.at(-1) === 'one') letGo(); // It is seen while the run goes on.
  }
  expect(seen).toEqual(['queued', 'started', 'one', 'two', 'completed']);
});

test('a full queue refuses at once, at the edge and in the ingress, and takes tasks again once there is room', async () => {
  const { client: connect, stop, startNode } = await open({ queueBytes: 64 * 1024 });
  const edge = await connect({ app });
  const plain = await connect();
  await stop(); // Nobody takes anything out.
  const items = Array.from({ length: 200 }, (_, index) => ({ input: { who: 'x'.repeat(1_000) }, id: String(index) }));
  const { accepted, refused } = await edge.submitMany(hello, items);
  expect(accepted).toBeGreaterThan(20);
  expect(accepted + refused.length).toBe(200);
  expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['overloaded']));
  await expect(edge.submit(hello, { who: 'y'.repeat(1_000) })).rejects.toMatchObject({
    code: 'overloaded',
    retryAfterMs: 1_000,
  });
  const other = await startNode('n2');
  onTestFinished(other.stop);
  await expect
    .poll(() =>
      edge.submit(hello, { who: 'z' }).then(
        () => 'taken',
        () => 'refused',
      ),
    )
    .toBe('taken');
  expect(await (await plain.submit(hello, { who: 'Ada' })).result()).toBe('Hello, Ada');
  const kept = items.filter((_, index) => !refused.some((each) => each.index === index));
  const results = await Promise.all(kept.map(({ id }) => edge.run(hello, id).result()));
  expect(results).toHaveLength(accepted);
});

test('a result outlives the restart of the server that was to announce it', async () => {
  const { client: connect, server } = await open();
  const client = await connect({ app });
  const run = await client.submit(hello, { who: 'Ada' }, { delay: '1s' });
  const result = run.result({ timeout: '15s' });
  await server.restart();
  expect(await result).toBe('Hello, Ada');
});

test('what KV has forgotten, the history tells', async () => {
  const { client: connect, store, node } = await open();
  const client = await connect();
  const run = await client.submit(hello, { who: 'Ada' });
  await run.result();
  await expect.poll(async () => (await store.task('hello', run.id))?.status).toBe('completed');
  await bucket(node.queue, 'tasks').remove(`hello.${run.id}`);
  const later = (await connect({ app })).run(hello, run.id);
  expect(await later.status()).toMatchObject({ status: 'completed', output: 'Hello, Ada' });
  expect(await later.result()).toBe('Hello, Ada');
  const told: string[] = [];
  for await (const event of later.events()) told.push(event.type);
  expect(told.at(-1)).toBe('completed');
});

test('a server without anything of ours on it takes nothing, and crashes nobody', async () => {
  const { url } = await freshNats();
  const client = await createClient({ nats: url });
  onTestFinished(() => client.close());
  await expect(client.submit('hello', {})).rejects.toMatchObject({ code: 'unavailable' });
  await expect(client.run('hello', 'x').status()).rejects.toMatchObject({
    code: expect.stringMatching(/not_found|unavailable/),
  });
  const events = client.run('hello', 'x').events()[Symbol.asyncIterator]();
  await expect(events.next()).rejects.toMatchObject({ code: expect.stringMatching(/not_found|unavailable/) });
});

test('a server that comes back with an empty disk is made whole by the nodes that run, and they go on', async () => {
  let ticks = 0;
  const tick = defineTask({ name: 'tick', input: z.null(), run: async () => void (ticks += 1) });
  const ticking = defineApp({
    tasks: [hello, tick],
    schedules: [schedule(tick, { name: 'often', cron: { every: '1s' }, input: null })],
  });
  const world = await startWorld(ticking);
  onTestFinished(world.close);
  const other = await world.startNode('n2');
  onTestFinished(other.stop);
  const [edge, plain] = [await world.client({ app: ticking }), await world.client()];
  const submitted = (client: typeof edge) => client.submit(hello, { who: 'Ada' }).catch(() => undefined);
  await (await submitted(edge))?.result();
  await world.server.lose();
  await world.server.restart();
  const before = ticks;
  for (const client of [edge, plain]) {
    let run: Awaited<ReturnType<typeof submitted>>;
    await expect.poll(async () => (run = await submitted(client)), { timeout: 10_000 }).toBeDefined();
    expect(await run?.result()).toBe('Hello, Ada');
    await expect.poll(async () => (await world.store.task('hello', run?.id ?? ''))?.status).toBe('completed');
  }
  await expect.poll(() => ticks, { timeout: 5_000 }).toBeGreaterThan(before);
  expect(world.lines.filter((line) => line.includes('has been made anew')).length).toBeGreaterThan(5);
}, 30_000);
