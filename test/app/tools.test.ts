import type { LanguageModelV4CallOptions, LanguageModelV4GenerateResult } from '@ai-sdk/provider';
import { generateText, isStepCount, type ToolExecutionOptions, type ToolSet, tool } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { defineApp, defineTask, type RunEvent, type TaskCtx, testRuntime } from '../../src/index.ts';
import { said } from '../llm/models-world.ts';

const open = async (run: (ctx: TaskCtx) => Promise<unknown>) => {
  const task = defineTask({
    name: 't',
    input: z.object({}),
    output: z.unknown(),
    retry: { max: 2, backoff: { first: '1s' } },
    run: async (ctx) => (await run(ctx)) ?? null,
  });
  const opened = await testRuntime(defineApp({ tasks: [task] }));
  onTestFinished(() => opened.close());
  const run1 = await opened.client.submit(task, {}, { id: 'a' });
  return { ...opened, run: run1 };
};

const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 1, text: 1, reasoning: 0 },
};
/** Asks for the tool once, then says what it was told. */
const asking = (toolName: string) =>
  new MockLanguageModelV4({
    doGenerate: async ({ prompt }) => {
      const last = prompt.at(-1);
      const told = last?.role === 'tool' ? JSON.stringify(last.content) : undefined;
      return {
        content:
          told === undefined
            ? [{ type: 'tool-call', toolCallId: 'call-1', toolName, input: '{"q":"x"}' }]
            : [{ type: 'text', text: told }],
        finishReason:
          told === undefined ? { unified: 'tool-calls', raw: 'tool_calls' } : { unified: 'stop', raw: 'stop' },
        usage,
        warnings: [],
      };
    },
  });

const options = { toolCallId: 'call-1', messages: [], context: undefined } satisfies ToolExecutionOptions<unknown>;

test('a tool that a model has called is not run again by a later attempt', async () => {
  const ran: unknown[] = [];
  const { run, clock, idle } = await open(async (ctx) => {
    const tools = ctx.tools({
      search: tool({
        inputSchema: z.object({ q: z.string() }),
        execute: async (input, given) => {
          ran.push([input, given.toolCallId, 'idempotencyKey' in given && given.idempotencyKey]);
          return { found: input.q, at: new Date(0) };
        },
      }),
    });
    const { text } = await generateText({
      model: asking('search'),
      tools,
      prompt: 'go',
      stopWhen: isStepCount(3),
    });
    if (ctx.attempt === 1) throw new Error('after the tool');
    return text;
  });
  await idle();
  await clock.advance('5s');
  // As JSON keeps it, on the first attempt too.
  expect(await run.result()).toContain('"value":{"found":"x","at":"1970-01-01T00:00:00.000Z"}');
  expect(ran).toEqual([[{ q: 'x' }, 'call-1', 't.a:tool:search:call-1']]);
  const steps: RunEvent[] = [];
  for await (const event of run.events()) if (event.type === 'step') steps.push(event);
  expect(steps).toMatchObject([
    { name: 'tool:search', key: 'call-1', replayed: false, attempt: 1 },
    { name: 'tool:search', key: 'call-1', replayed: true, attempt: 2 },
  ]);
});

/** Numbers the calls of each answer from 0. Asks for `orders`, one an answer, and ends with what it was told. */
const numbering = (...orders: readonly string[]) => {
  const answer = ({ prompt }: LanguageModelV4CallOptions): LanguageModelV4GenerateResult => {
    const results = prompt.flatMap(({ role, content }) => (role === 'tool' ? content : []));
    const order = orders[results.length];
    return order === undefined
      ? said(JSON.stringify(results))
      : {
          ...said(''),
          content: [{ type: 'tool-call', toolCallId: '0', toolName: 'refund', input: JSON.stringify({ order }) }],
          finishReason: { unified: 'tool-calls', raw: 'tool_calls' },
        };
  };
  return new MockLanguageModelV4({ doGenerate: async (call) => answer(call) });
};

/** Pays once an order; `failing` throws at first. */
const refunding = (failing?: string) => {
  const ran: string[] = [];
  const refund = tool({
    inputSchema: z.object({ order: z.string() }),
    execute: async ({ order }) => {
      ran.push(order);
      if (order === failing && ran.length === 1) throw new Error('not now');
      return { refunded: order };
    },
  });
  return { ran, refund };
};

const allOf = async (tools: ToolSet, model: MockLanguageModelV4): Promise<string> =>
  (await generateText({ model, tools, prompt: 'refund all', stopWhen: isStepCount(5) })).text;

test('calls that a server gives the same id in several answers are each executed, once', async () => {
  const { ran, refund } = refunding();
  const { run, clock, idle } = await open(async (ctx) => {
    const told = await allOf(ctx.tools({ refund }), numbering('o1', 'o2', 'o3'));
    if (ctx.attempt === 1) throw new Error('after the tools');
    return told;
  });
  await idle();
  await clock.advance('5s');
  const told = String(await run.result());
  for (const order of ['o1', 'o2', 'o3']) expect(told).toContain(`{"refunded":"${order}"}`);
  expect(told).not.toContain('error');
  expect(ran).toEqual(['o1', 'o2', 'o3']);
});

test('after a tool that failed has done better, no call of the same id is given what another was', async () => {
  const { ran, refund } = refunding('o1');
  const { run, clock, idle } = await open(async (ctx) => {
    const told = await allOf(ctx.tools({ refund }), numbering('o1', ctx.attempt === 1 ? 'o2' : 'o3'));
    if (ctx.attempt === 1) throw new Error('after the tools');
    return told;
  });
  await idle();
  await clock.advance('5s');
  expect(await run.result()).toContain('{"refunded":"o3"}');
  expect(ran).toEqual(['o1', 'o2', 'o1', 'o3']);
});

test('of a tool that streams the last value counts', async () => {
  const { run } = await open(async (ctx) => {
    const { count } = ctx.tools({
      count: tool({
        inputSchema: z.object({}),
        async *execute() {
          yield 1;
          yield 2;
        },
      }),
    });
    return count.execute?.({}, options);
  });
  expect(await run.result()).toBe(2);
});

test('a tool is told to stop by the task and by the call', async () => {
  const reasons: unknown[] = [];
  const begun = Promise.withResolvers<void>();
  const { run, client, idle } = await open(async (ctx) => {
    const { wait } = ctx.tools({
      wait: tool({
        inputSchema: z.object({}),
        execute: (_input, { abortSignal }) =>
          new Promise<string>((resolve) => {
            begun.resolve();
            abortSignal?.addEventListener('abort', () => {
              reasons.push(abortSignal.reason);
              resolve('stopped');
            });
          }),
      }),
    });
    const call = new AbortController();
    const first = wait.execute?.({}, { ...options, abortSignal: call.signal });
    await begun.promise;
    call.abort('the call');
    await first;
    return wait.execute?.({}, { ...options, toolCallId: 'call-2' });
  });
  await idle();
  await client.run('t', run.id).cancel();
  await idle();
  expect(reasons).toEqual(['the call', expect.objectContaining({ code: 'task_cancelled' })]);
});

test('what a tool throws is not recorded: it is run again', async () => {
  let tries = 0;
  const { run, clock, idle } = await open(async (ctx) => {
    const { flaky } = ctx.tools({
      flaky: tool({
        inputSchema: z.object({}),
        execute: async () => {
          if (++tries === 1) throw new Error('not now');
          return tries;
        },
      }),
    });
    return flaky.execute?.({}, options);
  });
  await idle();
  await clock.advance('5s');
  expect(await run.result()).toBe(2);
});

test('a tool without a function stays as it is', async () => {
  const { run } = await open(async (ctx) => {
    const given = {
      ask: tool({ inputSchema: z.object({ question: z.string() }), description: 'asks a person' }),
    } satisfies ToolSet;
    return ctx.tools(given).ask === given.ask;
  });
  expect(await run.result()).toBe(true);
});
