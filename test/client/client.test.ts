import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { createClient, defineApp, defineTask, type Client, type RunEvent } from '../../src/index.ts';
import { startWorld } from './world.ts';

/** Tasks that wait for a word of the test. */
const holds = new Map<string, PromiseWithResolvers<void>>();
const hold = (name: string): PromiseWithResolvers<void> => {
  const held = holds.get(name) ?? Promise.withResolvers<void>();
  holds.set(name, held);
  return held;
};

const add = defineTask({
  name: 'add',
  input: z.object({ a: z.number(), b: z.number().default(1) }),
  output: z.object({ sum: z.number() }),
  run: async (_ctx, { a, b }) => ({ sum: a + b }),
});
const held = defineTask({
  name: 'held',
  input: z.object({ on: z.string() }),
  output: z.string(),
  progress: z.object({ stage: z.string() }),
  run: async (ctx, { on }) => {
    ctx.progress({ stage: 'begun' });
    await hold(on).promise;
    await ctx.step('work', () => 'worked');
    ctx.progress({ stage: 'ending' });
    return `let go of ${on}`;
  },
});
const fails = defineTask({
  name: 'fails',
  input: z.object({ times: z.number() }),
  output: z.string(),
  retry: { max: 2, backoff: { first: '10ms' } },
  run: async (ctx, { times }) => {
    if (ctx.attempt <= times) throw new Error(`attempt ${ctx.attempt} failed`);
    return 'at last';
  },
});
const nothing = defineTask({ name: 'nothing', input: z.null(), run: async () => {} });
const nil = defineTask({ name: 'nil', input: z.object({}), output: z.null(), run: async () => null });
const large = defineTask({
  name: 'large',
  input: z.object({ chars: z.number() }),
  output: z.string(),
  run: async (_ctx, { chars }) => 'x'.repeat(chars),
});
const later = defineTask({ name: 'later', input: z.object({}), id: () => 'the only one', run: async () => {} });
const tenanted = defineTask({
  name: 'tenanted',
  input: z.object({ own: z.string().optional() }),
  output: z.string(),
  run: async (ctx) => ctx.tenant ?? 'nobody',
});

const chatty = defineTask({
  name: 'chatty',
  input: z.object({ words: z.number() }),
  progress: z.number(),
  run: async (ctx, { words }) => {
    for (let word = 0; word < words; word++) ctx.progress(word);
  },
});

const app = defineApp({
  pools: { default: { workers: { min: 16, max: 16 } } },
  tasks: [add, held, fails, nothing, nil, large, later, tenanted, chatty],
});
type TheApp = typeof app;

let world: Awaited<ReturnType<typeof startWorld<TheApp>>>;
beforeAll(async () => {
  world = await startWorld(app);
});
afterAll(() => world.close());

const collect = async <T>(events: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const event of events) all.push(event);
  return all;
};

describe.each([
  ['with the app', { app }],
  ['through the ingress', {}],
])('a client %s', (_, options) => {
  const open = (): Promise<Client<TheApp>> => world.client(options);

  test('submits, and has the result as soon as it is there', async () => {
    const client = await open();
    const run = await client.submit('add', { a: 1 });
    expect(run).toMatchObject({ type: 'add', duplicate: false });
    expect(run.id).toMatch(/^[A-Za-z0-9_-]{22}$/);
    expect(await run.result()).toEqual({ sum: 2 });
    expect(await run.status()).toMatchObject({ status: 'completed', attempt: 1, output: { sum: 2 } });
  });

  test('knows the same id with the same input for the same run, and with another input for a conflict', async () => {
    const client = await open();
    const id = `ids ${crypto.randomUUID()}/@`;
    const first = await client.submit(add, { a: 1, b: 2 }, { id });
    expect(first.duplicate).toBe(false);
    expect(await first.result()).toEqual({ sum: 3 });
    const second = await client.submit(add, { b: 2, a: 1 }, { id });
    expect(second.duplicate).toBe(true);
    expect(await second.result()).toEqual({ sum: 3 });
    await expect(client.submit(add, { a: 9 }, { id })).rejects.toMatchObject({ code: 'id_conflict' });
  });

  test("takes the task's own id where none is given", async () => {
    const client = await open();
    expect((await client.submit(later, {})).id).toBe('the only one');
  });

  test('refuses at the door what does not fit', async () => {
    const client = await open();
    await expect(client.submit('add', { a: 'x' } as never)).rejects.toMatchObject({
      code: 'invalid_input',
      issues: [expect.objectContaining({ path: ['a'] })],
    });
    await expect(client.submit('ad' as never, {} as never)).rejects.toMatchObject({ code: 'unknown_task' });
    await expect(client.submit('a.b' as never, {} as never)).rejects.toMatchObject({
      code: expect.stringMatching(/unknown_task|invalid_name/),
    });
    const tooMuch = { a: 1, more: 'x'.repeat(300_000) };
    await expect(client.submit('add', tooMuch)).rejects.toMatchObject({ code: 'payload_too_large' });
    await expect(client.submit('add', { a: Number.NaN })).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(client.submit('add', { a: 1n } as never)).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(client.submit('add', { a: 1, x: '\ud800' } as never)).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(client.submit('add', { a: 1 }, { id: 5 as never })).rejects.toMatchObject({ code: 'invalid_input' });
    await expect(client.submit('add', { a: 1 }, { id: '' })).rejects.toMatchObject({ code: 'invalid_name' });
    await expect(client.submit('add', { a: 1 }, { headers: { 'Nats-Rollup': 'all' } })).rejects.toMatchObject({
      code: 'invalid_input',
    });
    await expect(client.submit('add', { a: 1 }, { key: 'a\r\nNats-Rollup: all' })).rejects.toMatchObject({
      code: 'invalid_input',
    });
    await expect(client.submit('add', { a: 1 }, { delay: -1 })).rejects.toMatchObject({ code: 'invalid_duration' });
    await expect(client.submit('add', { a: 1 }, { delay: '1s', at: new Date() })).rejects.toMatchObject({
      code: 'invalid_input',
    });
  });

  test('has no result for a task without output, and null for one that is null', async () => {
    const client = await open();
    expect(await (await client.submit(nothing, null)).result()).toBeUndefined();
    expect(await (await client.submit(nil, {})).result()).toBeNull();
  });

  test('has a result that is too large to be announced', async () => {
    const client = await open();
    const run = await client.submit(large, { chars: 200_000 });
    expect(await run.result()).toHaveLength(200_000);
  });

  test("throws the task's failure, once all attempts are over", async () => {
    const client = await open();
    const run = await client.submit(fails, { times: 99 });
    await expect(run.result()).rejects.toMatchObject({
      code: 'task_failed',
      message: 'attempt 2 failed',
      id: run.id,
      attempts: 2,
    });
    const again = await run.retry();
    expect(again.id).toBe(`${run.id}-r1`);
    expect(await run.retry()).toEqual(again);
    await expect(client.run(fails, again.id).result()).rejects.toMatchObject({ code: 'task_failed' });
  });

  test('stops waiting at its timeout, while the task goes on', async () => {
    const client = await open();
    const on = crypto.randomUUID();
    const run = await client.submit(held, { on });
    await expect(run.result({ timeout: 20 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
    const abort = new AbortController();
    const waiting = run.result({ abortSignal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    hold(on).resolve();
    expect(await run.result()).toBe(`let go of ${on}`);
  });

  test('cancels a run that runs, and one that is not due yet', async () => {
    const client = await open();
    const on = crypto.randomUUID();
    const run = await client.submit(held, { on });
    for await (const event of run.events()) if (event.type === 'progress') break;
    await run.cancel('changed my mind');
    await expect(run.result()).rejects.toMatchObject({ code: 'task_cancelled', message: 'changed my mind' });
    hold(on).resolve();
    const delayed = await client.submit(add, { a: 1 }, { delay: '1h' });
    expect(await delayed.status()).toMatchObject({
      status: 'queued',
      waitingFor: { reason: 'due', until: expect.any(Date) },
    });
    await delayed.cancel();
    expect(await delayed.status()).toMatchObject({ status: 'cancelled' });
    await delayed.cancel();
  });

  test('does not know a run that was never submitted', async () => {
    const client = await open();
    const run = client.run('add', crypto.randomUUID());
    await expect(run.status()).rejects.toMatchObject({ code: 'not_found' });
    await expect(run.result()).rejects.toMatchObject({ code: 'not_found' });
    await expect(run.cancel()).rejects.toMatchObject({ code: 'not_found' });
    await expect(run.retry()).rejects.toMatchObject({ code: 'not_found' });
    await expect(collect(run.events())).rejects.toMatchObject({ code: 'not_found' });
  });

  test('tells what happens, in order, to the end; and the rest to whoever comes back', async () => {
    const client = await open();
    const on = crypto.randomUUID();
    const run = await client.submit(held, { on });
    const told: RunEvent[] = [];
    for await (const event of run.events()) {
      told.push(event);
      if (event.type === 'progress') hold(on).resolve();
    }
    expect(told.map(({ type }) => type)).toEqual(['queued', 'started', 'progress', 'step', 'progress', 'completed']);
    expect(told.at(-1)).toMatchObject({ output: `let go of ${on}`, attempt: 1 });
    expect(told.map(({ n }) => n)).toEqual(told.map(({ n }) => n).toSorted((a, b) => a - b));
    const [, , begun, step] = told;
    const rest = await collect(run.events({ from: (begun?.n ?? 0) + 1 }));
    expect(rest.filter(({ type }) => type !== 'started')).toEqual(told.slice(3));
    expect(step).toMatchObject({ name: 'work', replayed: false });
    expect(await collect(run.events({ from: (told.at(-1)?.n ?? 0) + 1 }))).toMatchObject([
      { type: 'started' },
      { type: 'completed' },
    ]);
  });

  test('tells a slow reader all of it, in order', async () => {
    const client = await open();
    const run = await client.submit(chatty, { words: 6_000 });
    const words: number[] = [];
    for await (const event of run.events()) {
      if (words.length % 1_000 === 0) await run.status(); // Time enough to be overrun.
      if (event.type === 'progress') words.push(event.value);
    }
    expect(words).toEqual(Array.from({ length: 6_000 }, (_unused, word) => word));
  });

  test('tells of retries', async () => {
    const client = await open();
    const run = await client.submit(fails, { times: 1 });
    const told = await collect(run.events());
    expect(told.at(-1)).toMatchObject({ type: 'completed', output: 'at last', attempt: 2 });
    await expect(run.result()).resolves.toBe('at last');
  });

  test('submits many, and tells which were refused', async () => {
    const client = await open();
    const items = Array.from({ length: 1_000 }, (_unused, index) => ({
      input: { a: index === 7 ? Number.NaN : index },
      id: `many-${options === undefined}-${_}-${index % 900}`,
    }));
    const { accepted, duplicates, refused } = await client.submitMany(add, items);
    expect(accepted + duplicates + refused.length).toBe(1_000);
    expect(accepted).toBe(900);
    expect(duplicates).toBe(0);
    expect(refused).toHaveLength(100);
    expect(refused[0]).toMatchObject({ index: 7, code: 'invalid_input' });
    expect(refused[1]).toMatchObject({ index: 900, code: 'id_conflict' });
  });

  test('submits many from what comes in bit by bit, and stops where that fails', async () => {
    const client = await open();
    const group = `bits-${crypto.randomUUID()}`;
    const source = async function* () {
      for (let a = 0; a < 20; a++) yield { input: { a }, group };
      throw new Error('the source is dry');
    };
    await expect(client.submitMany(add, source())).rejects.toThrow('the source is dry');
    expect(await client.group(group).done({ timeout: '10s' })).toMatchObject({
      completed: 20,
      queued: 0,
      running: 0,
      waiting: 0,
    });
  });

  test('counts a group, and cancels what of it has not ended', async () => {
    const client = await open();
    const group = crypto.randomUUID();
    expect(await client.group(group).done()).toMatchObject({ queued: 0, completed: 0 });
    await client.submit(add, { a: 1 }, { group });
    for (let index = 0; index < 3; index++) await client.submit(add, { a: 1 }, { group, delay: '1h' });
    const all = client.group(group);
    await expect(all.done({ timeout: 150 })).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(await all.cancel()).toBe(3);
    expect(await all.done({ timeout: '10s' })).toMatchObject({ completed: 1, cancelled: 3, queued: 0 });
  });

  test('shows what happens to all tasks of a type', async () => {
    const client = await open();
    const tenant = crypto.randomUUID();
    const events = client.events({ type: 'tenanted', tenant })[Symbol.asyncIterator]();
    const first = events.next();
    await client.submit(tenanted, {});
    const run = await client.submit(tenanted, {}, { tenant });
    expect((await first).value).toMatchObject({
      task: 'tenanted',
      id: run.id,
      type: 'completed',
      output: tenant,
      n: 0,
    });
    await events.return?.();
  });

  test('submits in the name of its tenant', async () => {
    const client = await world.client({ ...options, tenant: 'acme' });
    expect(await (await client.submit(tenanted, {})).result()).toBe('acme');
    expect(await (await client.submit(tenanted, {}, { tenant: 'other' })).result()).toBe('other');
  });

  test('waits for thousands of results at once', async () => {
    const client = await open();
    const runs = await Promise.all(Array.from({ length: 2_000 }, (_unused, a) => client.submit(add, { a })));
    const results = await Promise.all(runs.map((run) => run.result()));
    expect(results).toEqual(runs.map((_unused, a) => ({ sum: a + 1 })));
  });

  test('when it is closed, ends what waits and refuses what comes', async () => {
    const client = await createClient<TheApp>({ nats: world.url, ...options });
    const on = crypto.randomUUID();
    onTestFinished(() => hold(on).resolve());
    const run = await client.submit(held, { on });
    const waiting = run.result();
    const events = collect(run.events());
    const all = collect(client.events());
    const closed = Promise.all([client.close(), client.close()]);
    await expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
    await events;
    await all;
    await closed;
    await expect(client.submit('add', { a: 1 })).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('when it is closed, says so at once to whatever is asked', async () => {
    const client = await createClient<TheApp>({ nats: world.url, ...options });
    const [run, group] = [client.run('add', 'a'), client.group('g')];
    await client.close();
    const answers: readonly Promise<unknown>[] = [
      client.submit('add', { a: 1 }),
      run.result(),
      run.result({ timeout: '1s' }),
      run.status(),
      run.cancel(),
      run.retry(),
      collect(run.events()),
      run.uiMessageStream().getReader().read(),
      collect(client.events()),
      group.counts(),
      group.done(),
      group.cancel(),
    ];
    const said = { code: 'unavailable', message: 'the client is closed' };
    await Promise.all(answers.map((answer) => expect(answer).rejects.toMatchObject(said)));
  });
});
