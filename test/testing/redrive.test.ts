import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { defineApp, defineTask, NonRetryableError, RetryAfterError } from '../../src/index.ts';
import { testRuntime } from '../../src/testing/runtime.ts';

const world = async (max: number) => {
  const ran: string[] = [];
  let well = false;
  const pay = defineTask({
    name: 'pay',
    input: z.object({ order: z.string() }),
    output: z.object({ attempt: z.number(), charge: z.string(), receipt: z.string() }),
    retry: { max },
    run: async (ctx) => {
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
  return { ...opened, pay, dead, ran };
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
