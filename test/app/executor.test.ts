import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { admission } from '../../src/app/admission.ts';
import { defineApp } from '../../src/app/app.ts';
import type { TaskCtx } from '../../src/app/context-types.ts';
import { executor } from '../../src/app/executor.ts';
import { registry } from '../../src/app/registry.ts';
import { resolveApp } from '../../src/app/resolve.ts';
import { defineTask } from '../../src/app/task.ts';
import { header } from '../../src/task/headers.ts';
import { submitTask } from '../../src/task/submit.ts';
import { open, outgoing, type Submission, text } from '../task/world.ts';
import { freePermits } from '../../src/testing/permits.ts';
import { modelLayer } from '../../src/llm/layer.ts';

const note = z.object({ n: z.number(), at: z.coerce.date().optional() });
type Run = (ctx: TaskCtx<z.ZodNumber>, input: z.output<typeof note>) => Promise<object | void>;

const child = defineTask({ name: 'child', input: z.object({ n: z.number() }), run: async () => {} });

/** An app with a task `t` that does this. */
const setup = async (
  run: Run,
  { output = z.unknown(), deps }: { output?: z.ZodType; deps?: () => Promise<unknown> } = {},
) => {
  const world = await open();
  const { ports } = world;
  const task = defineTask({ name: 't', input: note, output, progress: z.number().max(100), retry: { max: 2 }, run });
  const app = resolveApp(defineApp({ tasks: [task, child], ...(deps && { deps }) }));
  const names = registry(app);
  const made = executor({
    registry: names,
    admission: admission(names),
    ports,
    deps: () => app.deps(new AbortController().signal),
    models: await modelLayer({ models: app.models, permits: freePermits(), ports }),
  });
  /** Runs one delivery of a task, and answers its record. */
  const once = async (submission: Partial<Submission> = {}) => {
    const id = submission.id ?? 'a';
    await world.submit({ id, input: { n: 1 }, ...submission });
    await world.run(made, await world.take());
    return world.record(id);
  };
  return { ...world, made, once };
};

describe('a handler', () => {
  test('is given its input parsed, and who and when it is', async () => {
    const seen: object[] = [];
    const { once, clock } = await setup(async ({ id, attempt, tenant, key, deadline, startedAt }, input) => {
      seen.push({ id, attempt, tenant, key, deadline, startedAt, input });
    });
    const now = clock.wall();
    const envelope = { tenant: 'acme', key: 'k', deadlineMs: 60_000 };
    await once({ id: 'mail/1', input: { n: 1, at: '2026-01-01' }, envelope });
    expect(seen).toEqual([
      {
        id: 'mail/1',
        attempt: 1,
        tenant: 'acme',
        key: 'k',
        deadline: new Date(now + 60_000),
        startedAt: new Date(now),
        input: { n: 1, at: new Date('2026-01-01') },
      },
    ]);
  });

  test('sees the same start on every attempt', async () => {
    const starts: Date[] = [];
    const { once, run, made, take, eventually } = await setup(async ({ startedAt }) => {
      starts.push(startedAt);
      throw new Error('again');
    });
    await once();
    await run(made, await eventually(take()), 'present');
    expect(starts).toHaveLength(2);
    expect(starts[1]).toEqual(starts[0]);
  });

  test('gives its result as its schema and JSON have it', async () => {
    const output = z.object({ text: z.string().transform((value) => value.trim()) });
    const { once } = await setup(async () => ({ text: ' hello ', more: 1 }), { output });
    expect(await once()).toMatchObject({ status: 'completed', result: { text: 'hello' } });
  });

  test('whose result does not fit has failed, and may do better next time', async () => {
    const { once } = await setup(async () => ({ text: 7 }), { output: z.object({ text: z.string() }) });
    expect(await once()).toMatchObject({ status: 'waiting', error: { code: 'invalid_output' }, failures: 1 });
    const { once: other } = await setup(async () => ({ n: 1n }));
    expect(await other()).toMatchObject({ status: 'waiting', error: { code: 'invalid_output' } });
  });

  test('never sees input that does not fit: its task is dead', async () => {
    const ran: number[] = [];
    const { once } = await setup(async (_ctx, { n }) => void ran.push(n));
    expect(await once({ input: { n: 'one' } })).toMatchObject({ status: 'dead', reason: 'invalid_input', failures: 0 });
    expect(ran).toEqual([]);
  });

  test('may throw anything', async () => {
    const { once } = await setup(async () => {
      throw undefined;
    });
    expect(await once()).toMatchObject({ status: 'waiting', error: { code: 'thrown' } });
  });
});

describe('what the app’s deps make', () => {
  test('is made once, before the first tasks, however many begin at a time', async () => {
    let made = 0;
    const deps = async () => ({ count: (made += 1) });
    const seen: unknown[] = [];
    const { submit, take, run, made: app } = await setup(async (ctx) => void seen.push(ctx.deps), { deps });
    const ids = ['a', 'b', 'c', 'd'];
    for (const id of ids) await submit({ id, input: { n: 1 } });
    await Promise.all(ids.map(async () => run(app, await take())));
    expect([made, seen]).toEqual([1, ids.map(() => ({ count: 1 }))]);
  });

  test('is made anew for the next attempt if it could not be', async () => {
    let tries = 0;
    const deps = async () => {
      tries += 1;
      if (tries === 1) throw new Error('no database');
      return tries;
    };
    const { once, run, made, take, eventually, record } = await setup(async (ctx) => ({ deps: ctx.deps }), { deps });
    expect(await once()).toMatchObject({ status: 'waiting', error: { message: 'no database' } });
    await run(made, await eventually(take()), 'present');
    expect(await record('a')).toMatchObject({ status: 'completed', result: { deps: 2 } });
  });
});

describe('progress', () => {
  test('is shown to whoever follows, with its attempt, and kept a while', async () => {
    const { once, queue, clock } = await setup(async (ctx) => ctx.progress(50));
    await once({ envelope: { tenant: 'acme' } });
    await clock.settle();
    const stored = await queue.last('TOKENS', 'tokens.t.a');
    expect(JSON.parse(text(stored?.data))).toMatchObject({ type: 'progress', value: 50, attempt: 1 });
    expect(stored?.headers[header.tenant]).toBe('acme');
  });

  test('that its schema refuses is the handler’s mistake', async () => {
    const { once } = await setup(async (ctx) => ctx.progress(101));
    expect(await once()).toMatchObject({ status: 'failed', error: { code: 'invalid_input' } });
  });
});

describe('a task that submits another', () => {
  test('does it once, however many attempts it takes, with its lineage', async () => {
    const ids: string[] = [];
    const { once, run, made, take, eventually, queue } = await setup(async (ctx) => {
      const { id } = await ctx.submit(child, { n: 1 });
      ids.push(id);
      if (ctx.attempt === 1) throw new Error('again');
    });
    await once();
    const stored = await queue.last('WORK_default', 'work.*.*.*.*.child.*');
    expect(stored?.headers).toMatchObject({ [header.parent]: 't.a', [header.depth]: '1' });
    await queue.purge('WORK_default', 'work.*.*.*.*.child.*');
    await run(made, await eventually(take()), 'present');
    expect(ids).toEqual([ids[0], ids[0]]);
    expect(ids[0]).toMatch(/^[A-Za-z0-9_-]{26}$/);
    expect(await queue.last('WORK_default', 'work.*.*.*.*.child.*')).toBeUndefined();
  });

  test('tells long ids apart by their ends, and keeps short ones as they are', async () => {
    const url = (length: number): string => 'https://example.org/?q='.padEnd(length, 'x');
    const given = [url(256), `${url(300)}&page=1`, `${url(300)}&page=2`];
    const attempts: (readonly string[])[] = [];
    const { once, run, made, take, eventually, record } = await setup(async (ctx) => {
      const children = [];
      for (const id of given) children.push((await ctx.submit(child, { n: 1 }, { id })).id);
      attempts.push(children);
      if (ctx.attempt === 1) throw new Error('again');
    });
    const { steps = [] } = (await once()) ?? {};
    expect(steps.map(({ key }) => key?.length)).toEqual([256, 256, 256]);
    expect(steps[0]?.key).toBe(given[0]);
    for (const _ of given) expect(await take()).toBeDefined();
    await run(made, await eventually(take()), 'present');
    expect(attempts).toEqual([given, given]);
    expect(await record('a')).toMatchObject({ status: 'completed', steps });
  });

  test('is refused what is wrong with it, for good', async () => {
    const { once } = await setup(async (ctx) => {
      await ctx.submit(child, { n: 'one' } as never);
    });
    expect(await once()).toMatchObject({ status: 'failed', error: { code: 'invalid_input' } });
  });

  test.each([
    ['child', '"child"'],
    [undefined, 'undefined'],
    [{}, 'object'],
  ])('is told that %s is no task', async (given, named) => {
    const { once } = await setup(async (ctx) => {
      await ctx.submit(given as never, { n: 1 });
    });
    const message = `ctx.submit takes what defineTask has made; this is ${named}`;
    expect(await once()).toMatchObject({ status: 'failed', error: { message } });
  });

  test('may not do it for ever: eight deep is enough', async () => {
    const { ports, run, made, take, record } = await setup(async (ctx) => {
      await ctx.submit(child, { n: 1 });
    });
    for (const [id, depth] of [
      ['deeper', 8],
      ['deep', 7],
    ] as const) {
      await submitTask(ports, { ...outgoing(ports, { id, input: { n: 1 } }), depth }, true);
      await run(made, await take());
    }
    expect(await record('deep')).toMatchObject({ status: 'completed' });
    expect(await record('deeper')).toMatchObject({ status: 'failed', error: { code: 'non_retryable' } });
  });
});
