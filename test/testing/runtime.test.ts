import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { type App, defineApp, defineTask, schedule } from '../../src/index.ts';
import { type TestOptions, testRuntime } from '../../src/testing/runtime.ts';

const open = async <A extends App>(app: A, options?: TestOptions) => {
  const opened = await testRuntime(app, options);
  onTestFinished(() => opened.close());
  return opened;
};

const greet = defineTask({
  name: 'greet',
  input: z.object({ name: z.string() }),
  output: z.object({ text: z.string() }),
  run: async (_ctx, { name }) => ({ text: `Hello, ${name}` }),
});

test('a task runs to its result without any time passing', async () => {
  const { client, clock } = await open(defineApp({ tasks: [greet] }));
  const before = clock.now();
  const run = await client.submit(greet, { name: 'Ada' });
  expect(await run.result()).toEqual({ text: 'Hello, Ada' });
  expect(clock.now()).toEqual(before);
  expect(await run.status()).toMatchObject({ status: 'completed', attempt: 1 });
});

test('tasks with a budget, in batches too, start at once: budgets are granted freely here', async () => {
  const input = z.object({ n: z.number() });
  const single = defineTask({ name: 'single', input, budget: 'crm', run: async () => {} });
  const batched = defineTask({ name: 'batched', input, budget: 'crm' }).runBatch({ size: 3 }, async (_ctx, items) => {
    for (const item of items) item.complete(undefined);
  });
  const budgets = { crm: { requests: { limit: 1, per: '1d' }, concurrent: 1 } } as const;
  const pools = { default: { workers: { min: 3, max: 3 } } };
  const { client, clock } = await open(defineApp({ tasks: [single, batched], budgets, pools }));
  const before = clock.now();
  const runs = await Promise.all(
    [1, 2, 3].flatMap((n) => [client.submit(single, { n }), client.submit(batched, { n })]),
  );
  await clock.advance('50ms');
  for (const run of runs) await run.result();
  expect(clock.now().getTime() - before.getTime()).toBe(50);
  for (const run of runs) expect(await run.status()).toMatchObject({ status: 'completed', attempt: 1 });
});

test('a delayed task waits for the clock', async () => {
  const { client, clock, idle } = await open(defineApp({ tasks: [greet] }));
  const run = await client.submit('greet', { name: 'Ada' }, { delay: '1h' });
  await idle();
  expect(await run.status()).toMatchObject({ status: 'queued', waitingFor: { reason: 'due' } });
  await clock.advance('59m');
  expect((await run.status()).status).toBe('queued');
  await clock.advance('1m');
  await idle();
  expect(await run.result()).toEqual({ text: 'Hello, Ada' });
});

test('a task that fails is tried again after its backoff, and its steps are not run again', async () => {
  const ran: string[] = [];
  const flaky = defineTask({
    name: 'flaky',
    input: z.null(),
    retry: { max: 3, backoff: { first: '10s', factor: 2 } },
    run: async (ctx) => {
      await ctx.step('first', async () => void ran.push('first'));
      ran.push(`attempt ${ctx.attempt}`);
      if (ctx.attempt < 3) throw new Error('not yet');
    },
  });
  const { client, clock, idle } = await open(defineApp({ tasks: [flaky] }));
  const run = await client.submit(flaky, null);
  await idle();
  expect(ran).toEqual(['first', 'attempt 1']);
  expect(await run.status()).toMatchObject({ status: 'waiting', error: { message: 'not yet' } });
  await clock.advance('1m');
  await run.result();
  expect(ran).toEqual(['first', 'attempt 1', 'attempt 2', 'attempt 3']);
});

test('a task that fails as often as it may is dead, and its error is the result’s', async () => {
  const hopeless = defineTask({
    name: 'hopeless',
    input: z.null(),
    retry: { max: 2 },
    run: async () => {
      throw new Error('never');
    },
  });
  const { client, clock } = await open(defineApp({ tasks: [hopeless] }));
  const run = await client.submit(hopeless, null);
  await clock.advance('1h');
  await expect(run.result()).rejects.toMatchObject({ code: 'task_failed', message: 'never', attempts: 2 });
  expect((await run.status()).status).toBe('dead');
});

test('a crash in the middle of a task repeats no recorded step: another node takes over after the ack wait', async () => {
  const ran: string[] = [];
  let stuck = true;
  const long = defineTask({
    name: 'long',
    input: z.null(),
    output: z.string(),
    run: async (ctx) => {
      const first = await ctx.step('first', async () => {
        ran.push('first');
        return 'kept';
      });
      ran.push(`attempt ${ctx.attempt}`);
      if (stuck) await new Promise(() => {});
      return first;
    },
  });
  const { client, clock, idle, crash } = await open(defineApp({ tasks: [long] }));
  const run = await client.submit(long, null);
  await idle();
  expect(ran).toEqual(['first', 'attempt 1']);
  await crash();
  stuck = false;
  await idle();
  expect((await run.status()).status).toBe('running');
  await clock.advance('30s');
  expect(await run.result()).toBe('kept');
  expect(ran).toEqual(['first', 'attempt 1', 'attempt 2']);
});

test('what a crashed node’s handler still does is not recorded', async () => {
  let goOn = (): void => {};
  const ends: string[] = [];
  const slow = defineTask({
    name: 'slow',
    input: z.null(),
    output: z.number(),
    run: async (ctx) => {
      await new Promise<void>((resolve) => {
        goOn = resolve;
      });
      ends.push(`attempt ${ctx.attempt}`);
      return ctx.attempt;
    },
  });
  const { client, clock, idle, crash } = await open(defineApp({ tasks: [slow] }));
  const run = await client.submit(slow, null);
  await idle();
  await crash();
  goOn();
  await idle();
  expect(ends).toEqual(['attempt 1']);
  expect((await run.status()).status).not.toBe('completed');
  await clock.advance('30s');
  goOn();
  expect(await run.result()).toBe(2);
});

test('a handler that outlives its node’s crash runs no further step, and none settles', async () => {
  let goOn = (): void => {};
  const gate = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const ran: string[] = [];
  const note = async (what: string, promise: Promise<unknown>) => {
    await promise.catch(() => {});
    ran.push(what);
  };
  const long = defineTask({
    name: 'long',
    input: z.null(),
    run: async (ctx) => {
      const { attempt } = ctx;
      await ctx.step('a', () => {});
      const waits = note(
        `open ${attempt}`,
        ctx.step('open', () => gate),
      );
      await gate;
      ran.push(`between ${attempt}`);
      const again = note(
        `b ${attempt}`,
        ctx.step('b', () => ran.push(`in b ${attempt}`)),
      );
      const large = note(
        `large ${attempt}`,
        ctx.step('large', () => 'x'.repeat(500_000)),
      );
      const permit = note(
        `permit ${attempt}`,
        ctx.permit('crm', async () => {}),
      );
      const child = note(`child ${attempt}`, ctx.submit(greet, { name: 'Ada' }));
      ctx.progress('still here');
      await Promise.all([waits, again, large, permit, child]);
    },
  });
  const budgets = { crm: { requests: { limit: 1, per: '1d' } } } as const;
  const { client, clock, idle, crash } = await open(defineApp({ tasks: [long, greet], budgets }));
  const run = await client.submit(long, null);
  await idle();
  await crash();
  goOn();
  await clock.advance('1s');
  expect(ran).toEqual(['between 1']);
  await clock.advance('30s');
  await run.result();
  const second = ['between', 'in b', 'open', 'b', 'large', 'permit', 'child'].map((what) => `${what} 2`);
  expect(ran.toSorted()).toEqual(['between 1', ...second].toSorted());
});

test('handlers find the deps that the test gives them', async () => {
  const ask = defineTask({
    name: 'ask',
    input: z.null(),
    output: z.string(),
    run: async (ctx) => String(Object(ctx.deps).answer),
  });
  const { client } = await open(defineApp({ tasks: [ask], deps: async () => ({ answer: 'real' }) }), {
    deps: { answer: 'of the test' },
  });
  expect(await (await client.submit(ask, null)).result()).toBe('of the test');
});

test('text that no database keeps is replaced, wherever a task has it from, and its row is found when KV has forgotten it', async () => {
  const cut = '👍'.slice(0, 1);
  const job = defineTask({
    name: 'job',
    input: z.object({ fails: z.boolean() }),
    output: z.string(),
    retry: { max: 1 },
    run: async (ctx, { fails }) => {
      const said = await ctx.step(`a${cut}`, () => `b${cut}`, { key: 'c\0' });
      if (fails) throw new Error(`d${cut}`);
      return `${said}${cut}`;
    },
  });
  const { client, clock, idle, close } = await testRuntime(defineApp({ tasks: [job] }));
  onTestFinished(() => close());
  const [done, dead] = await Promise.all([false, true].map((fails) => client.submit(job, { fails })));
  await idle();
  await clock.advance('3h');
  expect(await done?.status()).toMatchObject({ status: 'completed', output: 'b\ufffd\ufffd' });
  expect(await dead?.status()).toMatchObject({ status: 'dead', error: { message: 'd\ufffd' } });
});

test('a schedule submits its task each time it is due', async () => {
  const times: string[] = [];
  const tick = defineTask({
    name: 'tick',
    input: z.null(),
    run: async () => void times.push(clock.now().toISOString()),
  });
  const hourly = schedule(tick, { name: 'hourly', cron: '@hourly', input: null });
  const { clock, idle } = await open(defineApp({ tasks: [tick], schedules: [hourly] }));
  await clock.advance('150m');
  await idle();
  expect(times).toEqual(['2026-01-01T01:00:00.000Z', '2026-01-01T02:00:00.000Z']);
});

test('a cancelled task ends, wherever it is', async () => {
  const aborted: string[] = [];
  const wait = defineTask({
    name: 'wait',
    input: z.null(),
    run: (ctx) =>
      new Promise<void>((_, reject) => {
        ctx.abortSignal.addEventListener('abort', () => {
          aborted.push('aborted');
          reject(ctx.abortSignal.reason);
        });
      }),
  });
  const { client, idle } = await open(defineApp({ tasks: [wait] }));
  const [running, delayed] = [await client.submit(wait, null), await client.submit(wait, null, { delay: '1d' })];
  await idle();
  await Promise.all([running.cancel('enough'), delayed.cancel()]);
  await expect(running.result()).rejects.toMatchObject({ code: 'task_cancelled' });
  await expect(delayed.result()).rejects.toMatchObject({ code: 'task_cancelled' });
  await idle();
  expect(aborted).toEqual(['aborted']);
});

test('the same seed gives the same ids', async () => {
  const idOf = async (seed: number): Promise<string> => {
    const { client, close } = await testRuntime(defineApp({ tasks: [greet] }), { seed });
    const { id } = await client.submit(greet, { name: 'Ada' });
    await close();
    return id;
  };
  expect(await idOf(7)).toBe(await idOf(7));
  expect(await idOf(7)).not.toBe(await idOf(8));
});

test('a thousand tasks are done when nothing can run any more', async () => {
  const { client, idle } = await open(defineApp({ tasks: [greet] }));
  const items = Array.from({ length: 1_000 }, (_, n) => ({ id: `g${n}`, input: { name: `${n}` } }));
  expect((await client.submitMany(greet, items)).accepted).toBe(1_000);
  await idle();
  const last = await client.run(greet, 'g999').status();
  expect(last).toMatchObject({ status: 'completed', output: { text: 'Hello, 999' } });
});

test('every mistake in an app is told at once', async () => {
  const wrong = defineTask({ name: 'wrong', pool: 'nowhere', input: z.null(), run: async () => {} });
  await expect(testRuntime(defineApp({ tasks: [wrong, wrong] }))).rejects.toMatchObject({ code: 'configuration' });
});

test('closing can be done twice, and lets what runs go on to its end', async () => {
  const { client, close } = await testRuntime(defineApp({ tasks: [greet] }));
  const run = await client.submit(greet, { name: 'Ada' });
  await run.result();
  await Promise.all([close(), close()]);
  await expect(client.submit(greet, { name: 'Ada' })).rejects.toMatchObject({ code: 'unavailable' });
});
