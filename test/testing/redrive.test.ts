import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { defineApp, defineTask, NonRetryableError, RetryAfterError } from '../../src/index.ts';
import { testRuntime } from '../../src/testing/runtime.ts';

const world = async (max: number) => {
  const ran: string[] = [];
  const handled: string[] = [];
  let well = false;
  const pay = defineTask({
    name: 'pay',
    input: z.object({ order: z.string() }),
    output: z.object({ attempt: z.number(), charge: z.string(), receipt: z.string() }),
    retry: { max },
    run: async (ctx) => {
      handled.push(ctx.id);
      const step = (name: string): Promise<string> =>
        ctx.step(name, () => {
          ran.push(name);
          return `${name} ${ran.length}`;
        });
      const [charge, receipt] = [await step('charge'), await step('receipt')];
      if (!well) throw new RetryAfterError(0, { message: 'the ledger is away' });
      return { attempt: ctx.attempt, charge, receipt };
    },
  });
  const opened = await testRuntime(defineApp({ tasks: [pay] }));
  onTestFinished(() => opened.close());
  const dead = await opened.client.submit(pay, { order: 'o1' }, { id: 'o1' });
  await opened.idle();
  expect((await dead.status()).status).toBe('dead');
  well = true;
  return { ...opened, pay, dead, ran, handled };
};

test('a redriven task is given the steps that the dead one had recorded', async () => {
  const { client, pay, dead, ran } = await world(1);
  const { id } = await dead.retry();
  expect(await client.run(pay, id).result()).toEqual({ attempt: 1, charge: 'charge 1', receipt: 'receipt 2' });
  expect(ran).toEqual(['charge', 'receipt']);
  expect((await dead.status()).status).toBe('dead');
});

test('it makes anew what it is told to forget', async () => {
  const { client, pay, dead, ran } = await world(1);
  const { id } = await dead.retry({ forget: ['receipt'] });
  expect(await client.run(pay, id).result()).toMatchObject({ charge: 'charge 1', receipt: 'receipt 3' });
  expect(ran).toEqual(['charge', 'receipt', 'receipt']);
});

test('of a step with keys it makes one anew that is named with its key, and all by the name alone', async () => {
  const ran: string[] = [];
  const long = 'k'.repeat(256);
  const fetch = defineTask({
    name: 'fetch',
    input: z.null(),
    retry: { max: 1 },
    run: async (ctx) => {
      for (const key of ['one', 'two', long]) await ctx.step('page', () => void ran.push(key), { key });
      throw new Error('not yet');
    },
  });
  const { client, idle, close } = await testRuntime(defineApp({ tasks: [fetch] }));
  onTestFinished(() => close());
  let { id } = await client.submit(fetch, null);
  await idle();
  const redriven = async (...forget: readonly string[]): Promise<readonly string[]> => {
    ran.length = 0;
    ({ id } = await client.run(fetch, id).retry({ forget }));
    await idle();
    return [...ran];
  };
  expect(await redriven('page:two', `page:${long}`)).toEqual(['two', long]);
  await expect(redriven('two')).rejects.toMatchObject({ code: 'invalid_input' });
  expect(await redriven('page')).toEqual(['one', 'two', long]);
});

test('asking twice redrives once', async () => {
  const { client, pay, dead, ran, idle } = await world(2);
  const [first, second] = await Promise.all([dead.retry(), dead.retry()]);
  expect(second).toEqual(first);
  await client.run(pay, first.id).result();
  expect(await dead.retry()).toEqual(first);
  await idle();
  expect(ran).toEqual(['charge', 'receipt']);
});

test('what its own handler rejected is not dead, and is not redriven', async () => {
  const refuse = defineTask({
    name: 'refuse',
    input: z.null(),
    run: () => Promise.reject(new NonRetryableError('never')),
  });
  const { client, close } = await testRuntime(defineApp({ tasks: [refuse] }));
  onTestFinished(() => close());
  const run = await client.submit(refuse, null);
  await expect(run.result()).rejects.toMatchObject({ code: 'task_failed', message: expect.stringContaining('never') });
  await expect(run.retry()).rejects.toMatchObject({ code: 'not_found' });
});

test('one that has ended is not redriven again, when its record is forgotten either', async () => {
  const { client, pay, dead, handled, clock, idle } = await world(1);
  const { id } = await dead.retry();
  await client.run(pay, id).result();
  await clock.advance('3h');
  expect(await dead.retry()).toEqual({ id });
  await idle();
  expect(handled).toEqual(['o1', id]);
});

/** A task that dies of each input but a mended one, and whose record lives for an hour. */
const mendable = async () => {
  const ran: number[] = [];
  const mended = new Set<number>();
  const pay = defineTask({
    name: 'pay',
    input: z.object({ n: z.number() }),
    output: z.object({ n: z.number() }),
    retry: { max: 1 },
    run: async (_ctx, { n }) => {
      ran.push(n);
      if (!mended.has(n)) throw new Error('away');
      return { n };
    },
  });
  const { client, clock, idle, close } = await testRuntime(defineApp({ tasks: [pay] }));
  onTestFinished(() => close());
  const dies = async (n: number) => {
    const run = await client.submit(pay, { n }, { id: 'a' });
    await idle();
    expect((await run.status()).status).toBe('dead');
    return run;
  };
  const resultOf = (id: string) => client.run(pay, id).result();
  return { dies, resultOf, ran, mended, clock };
};

test('an id that is used again, and dies again, is redriven again, however long after it died', async () => {
  const { dies, resultOf, ran, mended, clock } = await mendable();
  const first = await dies(1);
  mended.add(1);
  await resultOf((await first.retry()).id);
  await clock.advance('1d');
  const second = await dies(2);
  mended.add(2);
  await clock.advance('45m');
  const { id } = await second.retry();
  expect(await resultOf(id)).toEqual({ n: 2 });
  await clock.advance('3h');
  expect(await second.retry()).toEqual({ id });
  expect(ran).toEqual([1, 1, 2, 2]);
});

test('while the redrive of an earlier task of its id is remembered, a dead one is told to wait', async () => {
  const { dies, resultOf, ran, mended, clock } = await mendable();
  const first = await dies(1);
  await clock.advance('50m');
  mended.add(1);
  await resultOf((await first.retry()).id);
  mended.delete(1);
  await clock.advance('11m');
  const second = await dies(1);
  mended.add(1);
  await expect(second.retry()).rejects.toMatchObject({
    code: 'id_conflict',
    message: expect.stringContaining('pay "a-r1" is completed, and was there before this task died'),
  });
  await clock.advance('1h');
  await resultOf((await second.retry()).id);
  expect(ran).toEqual([1, 1, 1, 1]);
});

test('asked for twice at once, with steps to forget and without, it runs', async () => {
  const { client, pay, dead } = await world(1);
  const [first, second] = await Promise.all([dead.retry(), dead.retry({ forget: ['charge', 'receipt'] })]);
  expect(second).toEqual(first);
  expect(await client.run(pay, first.id).result()).toMatchObject({ attempt: 1 });
});

test('a pool that is full refuses it, and takes it when there is room, whatever is to be forgotten then', async () => {
  const gates: (() => void)[] = [];
  let well = false;
  const job = defineTask({
    name: 'job',
    input: z.object({ n: z.number() }),
    retry: { max: 1 },
    run: async (ctx, { n }) => {
      await ctx.step('one', () => 1);
      if (n > 0) await new Promise<void>((resolve) => gates.push(resolve));
      else if (!well) throw new Error('not yet');
    },
  });
  const app = defineApp({ tasks: [job], pools: { default: { workers: { min: 1, max: 1 }, queue: { max: 3 } } } });
  const { client, clock, idle, close } = await testRuntime(app);
  onTestFinished(() => close());
  const dead = await client.submit(job, { n: 0 }, { id: 'd', lane: 'low' });
  await idle();
  for (const n of [1, 2, 3]) await client.submit(job, { n });
  await expect(dead.retry()).rejects.toMatchObject({ code: 'overloaded' });
  well = true;
  for (let freed = 0; freed < 3; freed += 1) {
    await clock.advance('1s');
    gates.pop()?.();
  }
  await idle();
  const { id } = await dead.retry({ forget: ['one'] });
  await client.run(job, id).result();
  expect(await client.run(job, id).status()).toMatchObject({ status: 'completed', lane: 'low' });
});

test('asking again leaves a redriven task to its own next attempt', async () => {
  const attempts: number[] = [];
  const pay = defineTask({
    name: 'pay',
    input: z.null(),
    retry: { max: 2 },
    run: async (ctx) => {
      if (!ctx.id.endsWith('-r1')) throw new RetryAfterError(0, { message: 'the ledger is away' });
      attempts.push(ctx.attempt);
      throw new RetryAfterError('1h', { message: 'not within the hour' });
    },
  });
  const { client, clock, idle, close } = await testRuntime(defineApp({ tasks: [pay] }));
  onTestFinished(() => close());
  const dead = await client.submit(pay, null, { id: 'o1' });
  await idle();
  const { id } = await dead.retry();
  await idle();
  for (let times = 0; times < 3; times += 1) {
    expect(await dead.retry()).toEqual({ id });
    await clock.advance('1m');
  }
  expect(attempts).toEqual([1]);
  expect(await client.run(pay, id).status()).toMatchObject({ status: 'waiting', waitingFor: { reason: 'retry' } });
  await clock.advance('1h');
  expect(attempts).toEqual([1, 2]);
});
