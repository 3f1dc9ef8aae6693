import { APICallError, type LanguageModelV4GenerateResult } from '@ai-sdk/provider';
import { generateText, Output, streamText } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { said, spoken, streamOf, usage, world } from './models-world.ts';

const refusal = (statusCode: number, responseHeaders: Record<string, string> = {}): APICallError =>
  new APICallError({
    message: `status ${statusCode}`,
    url: 'http://m',
    requestBodyValues: {},
    statusCode,
    responseHeaders,
  });

/** Fails in these ways, one call after the other, then answers. */
const stumbling = (...errors: readonly unknown[]) => {
  const left = [...errors];
  const model = new MockLanguageModelV4({
    doGenerate: async () => {
      const error = left.shift();
      if (error !== undefined) throw error;
      return said('fine');
    },
  });
  return model;
};

const ask = (ctx: Parameters<Parameters<typeof world>[1]>[0], name = 'fast') =>
  generateText({ model: ctx.model(name), prompt: 'hi' }).then(({ text }) => text);

const entry = (model: MockLanguageModelV4) => ({ model, budget: 'big' as const });

describe('a provider that fails', () => {
  test.each([400, 401, 403, 404, 413, 422])(
    'with %i fails the task at once, and nobody else is asked',
    async (status) => {
      const [first, second] = [stumbling(refusal(status)), stumbling()];
      const { client, ask: task } = await world({ fast: [entry(first), entry(second)] }, (ctx) => ask(ctx));
      const run = await client.submit(task, {});
      await expect(run.result()).rejects.toThrow(`model "fast": status ${status} (status ${status})`);
      expect(await run.status()).toMatchObject({ status: 'failed', attempt: 1, error: { code: 'non_retryable' } });
      expect([first.doGenerateCalls.length, second.doGenerateCalls.length]).toEqual([1, 0]);
    },
  );

  test.each([
    ['408', refusal(408)],
    ['409', refusal(409)],
    ['429', refusal(429)],
    ['500', refusal(500)],
    ['503', refusal(503)],
    ['no connection', new TypeError('fetch failed')],
    [
      'an answer that is none',
      new APICallError({ message: 'Invalid JSON response', url: '', requestBodyValues: {}, statusCode: 200 }),
    ],
    ['an error of its package', new Error('who knows')],
  ])('with %s is followed by the next one', async (_, error) => {
    const [first, second] = [stumbling(error), stumbling()];
    const { client, ask: task } = await world({ fast: [entry(first), entry(second)] }, (ctx) => ask(ctx));
    expect(await (await client.submit(task, {})).result()).toEqual({ said: 'fine' });
    expect([first.doGenerateCalls.length, second.doGenerateCalls.length]).toEqual([1, 1]);
  });

  test('fails the attempt where it is the only one, and is asked once an attempt', async () => {
    const model = stumbling(refusal(500), refusal(503));
    const { client, clock, ask: task } = await world({ fast: [entry(model)] }, (ctx) => ask(ctx));
    const run = await client.submit(task, {});
    await clock.advance('1m');
    expect(await run.result()).toEqual({ said: 'fine' });
    expect(await run.status()).toMatchObject({ attempt: 3 });
    expect(model.doGenerateCalls).toHaveLength(3);
  });

  test('is asked again when it said it may be', async () => {
    const model = stumbling(refusal(429, { 'retry-after': '30' }));
    const { client, clock, ask: task } = await world({ fast: [entry(model)] }, (ctx) => ask(ctx));
    const run = await client.submit(task, {});
    await clock.advance('29s');
    expect(await run.status()).toMatchObject({ status: 'waiting', error: { code: 'retry_after' } });
    await clock.advance('2s');
    expect(await run.result()).toEqual({ said: 'fine' });
  });

  test('is left alone after five failures in a row, and probed after ten seconds', async () => {
    const model = stumbling(...Array<Error>(5).fill(refusal(500)));
    const {
      client,
      clock,
      ask: task,
    } = await world({ fast: [entry(model)] }, (ctx) => ask(ctx), { retry: { max: 9 } });
    const run = await client.submit(task, {});
    await clock.advance('1s');
    const { status, error } = await run.status();
    expect([status, error?.code]).toEqual(['waiting', 'model_unavailable']);
    // Kept in the record: so what it is, and a moment, no span that has passed by the time that somebody reads it.
    const until = /^model "fast": its providers have failed too often and are left alone until (\S+Z); (.*)$/;
    const [, again = '', why] = until.exec(error?.message ?? '') ?? [];
    expect(why).toBe('mock-provider/mock-model-id: status 500 (status 500)');
    const leftMs = Date.parse(again) - clock.now().getTime();
    expect(leftMs > 8_000 && leftMs < 10_000).toBe(true);
    expect(model.doGenerateCalls).toHaveLength(5);
    await clock.advance('8s');
    expect(model.doGenerateCalls).toHaveLength(5);
    await clock.advance('4s');
    expect(await run.result()).toEqual({ said: 'fine' });
    expect(model.doGenerateCalls).toHaveLength(6);
  });

  test('is waited for while it is left alone and probed, however long that takes: that counts as no failure', async () => {
    const probe = Promise.withResolvers<LanguageModelV4GenerateResult>();
    const asked: number[] = [];
    const model = new MockLanguageModelV4({
      doGenerate: () => (asked.push(1) <= 5 ? Promise.reject(refusal(500)) : probe.promise),
    });
    const { client, clock, ask: task } = await world({ fast: [entry(model)] }, (ctx) => ask(ctx));
    const runs = await Promise.all(Array.from({ length: 12 }, () => client.submit(task, {})));
    await clock.advance('2m');
    expect(asked).toHaveLength(6);
    const failed = await Promise.all(runs.map(async (run) => (await run.status()).status));
    expect(failed.filter((status) => status === 'dead')).toEqual([]);
    probe.resolve(said('fine'));
    await clock.advance('10s');
    expect(await Promise.all(runs.map((run) => run.result()))).toEqual(Array(12).fill({ said: 'fine' }));
  });

  test('that says it may be asked at once is asked by the task’s own backoff', async () => {
    const model = stumbling(refusal(429, { 'retry-after': '0' }), refusal(429, { 'retry-after-ms': '20' }));
    const {
      client,
      clock,
      ask: task,
    } = await world({ fast: [entry(model)] }, (ctx) => ask(ctx), {
      retry: { max: 3, backoff: { first: '10m' } },
    });
    const run = await client.submit(task, {});
    await clock.advance('1s');
    expect(model.doGenerateCalls).toHaveLength(1);
    await clock.advance('30m');
    expect(await run.result()).toEqual({ said: 'fine' });
  });

  test('that never answers is given up after its timeout', async () => {
    const model = new MockLanguageModelV4({ doGenerate: () => new Promise(() => {}) });
    const {
      client,
      clock,
      ask: task,
    } = await world({ fast: [entry(model), entry(stumbling())] }, async (ctx) => {
      const { text } = await generateText({ model: ctx.model('fast', { timeout: '30s' }), prompt: 'hi' });
      return text;
    });
    const run = await client.submit(task, {});
    await clock.advance('31s');
    expect(await run.result()).toEqual({ said: 'fine' });
    expect(model.doGenerateCalls[0]?.abortSignal?.aborted).toBe(true);
  });

  test('with an answer that is too large to keep fails the task', async () => {
    const model = new MockLanguageModelV4({ doGenerate: async () => said('x'.repeat(5 * 1024 * 1024)) });
    const { client, ask: task } = await world({ fast: [entry(model)] }, (ctx) => ask(ctx));
    const run = await client.submit(task, {});
    await expect(run.result()).rejects.toThrow('bound it with maxOutputTokens');
    expect(await run.status()).toMatchObject({ status: 'failed', error: { code: 'payload_too_large' } });
  });

  test('with an answer of some megabytes is kept and replayed', async () => {
    const model = new MockLanguageModelV4({ doGenerate: async () => said('x'.repeat(3 * 1024 * 1024)) });
    const {
      client,
      clock,
      ask: task,
    } = await world({ fast: [entry(model)] }, async (ctx, attempt) => {
      const text = await ask(ctx);
      if (attempt === 1) throw new Error('again');
      return String(text.length);
    });
    const run = await client.submit(task, {});
    await clock.advance('1s');
    expect(await run.result()).toEqual({ said: String(3 * 1024 * 1024) });
    expect(model.doGenerateCalls).toHaveLength(1);
  });

  test('with counts that cannot be has its estimate stand', async () => {
    const model = new MockLanguageModelV4({ doGenerate: async () => said('fine', usage(-5, Number.NaN)) });
    const { client, ask: task } = await world({ fast: [entry(model)] }, (ctx) => ask(ctx));
    const run = await client.submit(task, {});
    expect(await run.result()).toEqual({ said: 'fine' });
    expect((await run.status()).usage).toEqual({ inputTokens: 0, outputTokens: 0, usd: 0 });
  });
});

describe('a stream', () => {
  const streaming = (...calls: readonly (() => ReadableStream)[]) => {
    const left = [...calls];
    return new MockLanguageModelV4({
      doStream: async () => ({ stream: (left.shift() ?? (() => streamOf(spoken('to', ' be'))))() }),
    });
  };
  const read = async (ctx: Parameters<Parameters<typeof world>[1]>[0]) => {
    const seen: string[] = [];
    const { textStream } = streamText({ model: ctx.model('fast'), prompt: 'hi', onError: () => {} });
    for await (const text of textStream) seen.push(text);
    return seen.join('|');
  };

  test('that breaks off fails the attempt, and is not recorded', async () => {
    const model = streaming(() => streamOf(spoken('to', ' be').slice(0, 4)));
    const texts: string[] = [];
    const {
      client,
      clock,
      ask: task,
    } = await world({ fast: [entry(model), entry(streaming())] }, async (ctx) => {
      const { text } = streamText({ model: ctx.model('fast'), prompt: 'hi', onError: () => {} });
      texts.push(
        await text.then(
          (whole) => whole,
          (error: unknown) => String(error),
        ),
      );
      return text;
    });
    const run = await client.submit(task, {});
    await clock.advance('1s');
    expect(await run.result()).toEqual({ said: 'to be' });
    expect(texts[0]).toContain('ModelUnavailableError');
    expect((await run.status()).attempt).toBe(2);
  });

  test('that a provider refuses for good rejects the task, though the AI SDK says only that there is no output', async () => {
    const model = new MockLanguageModelV4({ doStream: () => Promise.reject(refusal(400)) });
    const { client, ask: task } = await world(
      { fast: [entry(model)] },
      async (ctx) => streamText({ model: ctx.model('fast'), prompt: 'hi', onError: () => {} }).text,
    );
    const run = await client.submit(task, {});
    await expect(run.result()).rejects.toThrow('status 400');
    expect(await run.status()).toMatchObject({ status: 'failed', attempt: 1 });
  });

  test('that fails before its first word is followed by the next provider', async () => {
    const broken = streaming(() => streamOf([...spoken().slice(0, 2), { type: 'error', error: refusal(503) }]));
    const { client, ask: task } = await world({ fast: [entry(broken), entry(streaming())] }, read);
    const run = await client.submit(task, {});
    expect(await run.result()).toEqual({ said: 'to| be' });
    expect((await run.status()).attempt).toBe(1);
  });

  test('is replayed as one, with what came of it', async () => {
    const model = streaming();
    const {
      client,
      clock,
      ask: task,
    } = await world({ fast: [entry(model)] }, async (ctx, attempt) => {
      const seen = await read(ctx);
      if (attempt === 1) throw new Error('again');
      return seen;
    });
    const run = await client.submit(task, {});
    await clock.advance('1s');
    expect(await run.result()).toEqual({ said: 'to be' });
    expect(model.doStreamCalls).toHaveLength(1);
  });

  test('that never goes on is given up after the call’s timeout', async () => {
    const stuck = () =>
      new ReadableStream({
        start: (controller) =>
          spoken('to')
            .slice(0, 4)
            .forEach((part) => controller.enqueue(part)),
      });
    const model = streaming(stuck);
    const { client, clock, ask: task } = await world({ fast: [entry(model)] }, read);
    const run = await client.submit(task, {});
    await clock.advance('11m');
    expect(await run.result()).toEqual({ said: 'to| be' });
    expect((await run.status()).attempt).toBe(2);
  });

  test('that nobody reads to its end is not recorded, and its provider is let go', async () => {
    let cancelled = false;
    const endless = () =>
      new ReadableStream({
        start: (controller) =>
          spoken('to')
            .slice(0, 4)
            .forEach((part) => controller.enqueue(part)),
        pull: (controller) => controller.enqueue({ type: 'text-delta', id: '1', delta: 'x' }),
        cancel: () => {
          cancelled = true;
        },
      });
    const { client, ask: task } = await world({ fast: [entry(streaming(endless))] }, async (ctx) => {
      const { stream } = await ctx.model('fast').doStream({ prompt: [] });
      const reader = stream.getReader();
      await reader.read();
      await reader.cancel('enough');
      return 'left';
    });
    expect(await (await client.submit(task, {})).result()).toEqual({ said: 'left' });
    expect(cancelled).toBe(true);
  });
});

describe('an answer that misses the schema it was asked for', () => {
  test('is forgotten before the next attempt, and what it cost is not', async () => {
    const answers = ['{"n":"x"}', '{"n":1}'];
    const model = new MockLanguageModelV4({ doGenerate: async () => said(answers.shift() ?? '') });
    const {
      client,
      clock,
      ask: task,
    } = await world({ fast: [entry(model)] }, async (ctx) => {
      const before = await ctx.step('kept', () => 1);
      const output = Output.object({ schema: z.object({ n: z.number() }) });
      return { before, ...(await generateText({ model: ctx.model('fast'), prompt: 'n', output })).output };
    });
    const run = await client.submit(task, {});
    await clock.advance('1s');
    expect(await run.result()).toEqual({ said: { before: 1, n: 1 } });
    expect(model.doGenerateCalls).toHaveLength(2);
    expect((await run.status()).usage).toMatchObject({ inputTokens: 20, outputTokens: 10 });
  });
});

describe('a stream whose output misses its schema', () => {
  test('is forgotten too, by the name that the AI SDK gave its response', async () => {
    const answers = ['{"n":"x"}', '{"n":1}'];
    const nameless = () => spoken(answers.shift() ?? '').filter(({ type }) => type !== 'response-metadata');
    const model = new MockLanguageModelV4({ doStream: async () => ({ stream: streamOf(nameless()) }) });
    const {
      client,
      clock,
      ask: task,
    } = await world({ fast: [entry(model)] }, async (ctx) => {
      const output = Output.object({ schema: z.object({ n: z.number() }) });
      return streamText({ model: ctx.model('fast'), prompt: 'n', output, onError: () => {} }).output;
    });
    const run = await client.submit(task, {});
    await clock.advance('1s');
    expect(await run.result()).toEqual({ said: { n: 1 } });
    expect((await run.status()).attempt).toBe(2);
    expect(model.doStreamCalls).toHaveLength(2);
  });
});

describe('a name that the app does not have', () => {
  test('is told with the one that was probably meant', async () => {
    const { client, ask: task } = await world({ fast: [entry(stumbling())] }, (ctx) => ask(ctx, 'fsat'));
    await expect((await client.submit(task, {})).result()).rejects.toThrow(
      'there is no model "fsat"; did you mean "fast"?',
    );
  });

  test('of a budget too', async () => {
    const { client, ask: task } = await world({ fast: [entry(stumbling())] }, (ctx) =>
      ctx.permit('bug', async () => 'x'),
    );
    await expect((await client.submit(task, {})).result()).rejects.toThrow(
      'there is no budget "bug"; did you mean "big"?',
    );
  });
});
