import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, generateText, isStepCount, Output, streamText, tool } from 'ai';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type ModelServer, type ModelServerOptions, startModelServer } from '../../src/dev/model-server.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';

const text = `The Gettysburg Address

Four score and seven years ago our fathers brought forth on this continent a new nation. Now we are engaged in a great
civil war, testing whether that nation can long endure. Abraham Lincoln said so in Gettysburg, Pennsylvania, in 1863.`;

const prompt = `Summarise this document.\n\n<document>\n${text}\n</document>`;

const running: ModelServer[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()));
});

const start = async (options: ModelServerOptions = {}): Promise<ModelServer> => {
  const server = await startModelServer({ latencyMs: 0, ...options });
  running.push(server);
  return server;
};

const modelOf = ({ url }: ModelServer) =>
  createOpenAICompatible({
    name: 'simulated',
    baseURL: url,
    apiKey: 'none',
    supportsStructuredOutputs: true,
    includeUsage: true,
  })('tiny');

const ask = (server: ModelServer) => generateText({ model: modelOf(server), prompt, maxRetries: 0 });

const refusal = async (call: Promise<unknown>): Promise<APICallError> => {
  const error = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!APICallError.isInstance(error)) throw new Error(`expected an API error, got ${String(error)}`);
  return error;
};

describe('the model server', () => {
  it('summarises the document in the prompt, and says that it is simulated', async () => {
    const { text: said, response } = await ask(await start());
    expect(said).toMatch(/^\[simulated\] The Gettysburg Address\. Four score and seven years ago/);
    expect(response.modelId).toBe('simulated-tiny');
  });

  it("counts tokens with the tokenizer of OpenAI's models", async () => {
    const { usage, text: said } = await ask(await start());
    expect(usage.inputTokens).toBe(countTokens(prompt));
    expect(usage.outputTokens).toBe(countTokens(said));
  });

  it('fills a schema from the document', async () => {
    const schema = z.object({
      title: z.string().max(12),
      kind: z.enum(['poem', 'nation', 'war']),
      keywords: z.array(z.string()).min(1).max(3),
      people: z.array(z.object({ name: z.string() })),
      places: z.array(z.string()),
      years: z.array(z.int()),
      words: z.number().int().positive(),
      note: z.string().nullable(),
    });
    const { output } = await generateText({
      model: modelOf(await start()),
      prompt,
      output: Output.object({ schema }),
      maxRetries: 0,
    });
    expect(output).toMatchObject({
      title: 'The Gettysbu',
      kind: 'nation',
      people: [{ name: 'Abraham Lincoln' }],
      places: ['Gettysburg', 'Pennsylvania'],
      years: [1863],
    });
    expect(output.keywords).toHaveLength(3);
  });

  it('calls each tool it is offered once, then answers', async () => {
    const asked: string[] = [];
    const named = (name: string) =>
      tool({
        inputSchema: z.object({ title: z.string() }),
        execute: async ({ title }) => void asked.push(`${name}: ${title}`),
      });
    const { text: said, steps } = await generateText({
      model: modelOf(await start()),
      tools: { look: named('look'), weigh: named('weigh') },
      stopWhen: isStepCount(9),
      prompt,
      maxRetries: 0,
    });
    expect(asked).toEqual(['look: The Gettysburg Address', 'weigh: The Gettysburg Address']);
    expect(steps).toHaveLength(3);
    expect(said).toMatch(/^\[simulated\] The Gettysburg Address/);
  });

  it('ends a schema that contains itself', async () => {
    const branch = z.object({
      title: z.string(),
      get parts() {
        return z.array(branch);
      },
    });
    const model = modelOf(await start());
    const { output } = await generateText({ model, prompt, output: Output.object({ schema: branch }), maxRetries: 0 });
    expect(output.title).toBe('The Gettysburg Address');
  });

  it('refuses at once, and says for how long, what exceeds its requests', async () => {
    const clock = virtualClock();
    const server = await start({ clock, limits: { requests: { limit: 2, perMs: 10_000 } } });
    await ask(server);
    await clock.advance(4_000);
    await ask(server);
    const error = await refusal(ask(server));
    expect(error.statusCode).toBe(429);
    expect(error.responseHeaders?.['retry-after']).toBe('6');
    await clock.advance(6_000);
    await ask(server);
    expect(server.refused).toBe(1);
    expect(server.arrivals().map(({ outcome }) => outcome)).toEqual(['answered', 'answered', 'refused', 'answered']);
  });

  it('refuses what exceeds its tokens', async () => {
    const clock = virtualClock();
    const { totalTokens = 0 } = (await ask(await start())).usage;
    const server = await start({ clock, limits: { tokens: { limit: totalTokens + 1, perMs: 60_000 } } });
    await ask(server);
    expect((await refusal(ask(server))).responseHeaders?.['retry-after']).toBe('60');
    expect(server.arrivals().map(({ tokens }) => tokens)).toEqual([totalTokens, 0]);
  });

  it('logs the idempotency key of a request, and answers it each time that it comes', async () => {
    const server = await start();
    const headers = { 'idempotency-key': 'one' };
    for (const _ of [1, 2]) await generateText({ model: modelOf(server), prompt, headers });
    await ask(server);
    expect(server.arrivals().map(({ key }) => key)).toEqual(['one', 'one', undefined]);
  });

  it('logs arrivals by a clock that never goes back', async () => {
    const clock = virtualClock();
    const server = await start({ clock });
    await ask(server);
    await clock.advance(250);
    await ask(server);
    const [first, second] = server.arrivals();
    expect((second?.atMs ?? 0) - (first?.atMs ?? 0)).toBe(250);
  });

  it('fails as often as it was told to', async () => {
    const server = await start();
    server.failNext(1, 503);
    expect((await refusal(ask(server))).statusCode).toBe(503);
    await ask(server);
    expect(server.arrivals().map(({ outcome }) => outcome)).toEqual(['failed', 'answered']);
  });

  it('streams, and cuts streams as often as it was told to', async () => {
    const server = await start();
    const read = async (): Promise<unknown> => {
      let failure: unknown;
      const stream = streamText({
        model: modelOf(server),
        prompt,
        maxRetries: 0,
        onError: ({ error }) => {
          failure = error;
        },
      });
      let said = '';
      for await (const part of stream.textStream) said += part;
      return failure ?? said;
    };
    server.cutNext(1, 2);
    expect(await read()).toBeInstanceOf(Error);
    expect(await read()).toMatch(/Gettysburg/);
  });

  it('takes the time that a model takes, and longer on a bad day', async () => {
    const latencies = async (slowness: number): Promise<readonly number[]> => {
      const slept: number[] = [];
      const sleep = async (ms: number): Promise<void> => void slept.push(ms);
      const server = await start({ clock: { ...virtualClock(), sleep }, latencyMs: 300, seed: 7 });
      server.slowBy(slowness);
      for (let n = 0; n < 25; n += 1) await ask(server);
      return slept;
    };
    const usual = await latencies(1);
    const median = usual.toSorted((a, b) => a - b)[12];
    expect(median).toBeGreaterThan(200);
    expect(median).toBeLessThan(450);
    expect(await latencies(1)).toEqual(usual);
    expect(await latencies(10)).toEqual(usual.map((ms) => ms * 10));
  });
});
