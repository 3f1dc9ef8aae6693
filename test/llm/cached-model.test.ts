import { generateText, streamText } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { expect, test } from 'vitest';
import { promptOf, said, spoken, streamOf, world } from './models-world.ts';

/** Answers when it is let. */
const provider = (held?: Promise<void>) => {
  const asked: string[] = [];
  const model = new MockLanguageModelV4({
    doGenerate: async (params) => {
      asked.push(promptOf(params));
      await held;
      return said(`${promptOf(params)}!`);
    },
    doStream: async (params) => {
      asked.push(promptOf(params));
      await held;
      return { stream: streamOf(spoken('to', ' be')) };
    },
  });
  return { model, asked };
};

const noUsage = { inputTokens: 0, outputTokens: 0, usd: 0 };

test('an equal call of another task is answered from the cache, in one piece or as a stream, and costs nothing', async () => {
  const { model, asked } = provider();
  const entry = { model, budget: 'big', cache: '1h', price: { input: 1 } } as const;
  const { client, clock, ask } = await world({ fast: [entry] }, async (ctx) => {
    const call = { model: ctx.model('fast'), prompt: 'hi' };
    return ctx.id === 'streams' ? streamText(call).text : (await generateText(call)).text;
  });
  const first = await client.submit(ask, {}, { id: 'first' });
  expect(await first.result()).toEqual({ said: 'hi!' });
  for (const id of ['second', 'streams']) {
    const run = await client.submit(ask, {}, { id });
    expect(await run.result()).toEqual({ said: 'hi!' });
    expect((await run.status()).usage).toEqual(noUsage);
  }
  expect(asked).toEqual(['hi']);
  await clock.advance('1h');
  await (await client.submit(ask, {}, { id: 'later' })).result();
  expect(asked).toEqual(['hi', 'hi']);
});

test('a call says for itself whether it may be answered from the cache', async () => {
  const { model, asked } = provider();
  const { client, ask } = await world({ fast: [{ model, budget: 'big', cache: '1h' }] }, async (ctx) => {
    const options = { always: { cache: false }, brief: { cache: '1m' } } as const;
    const prompt = 'hi';
    await generateText({ model: ctx.model('fast', ctx.id.startsWith('always') ? options.always : {}), prompt });
    return 'done';
  });
  for (const id of ['one', 'always-1', 'always-2', 'two']) await (await client.submit(ask, {}, { id })).result();
  expect(asked).toHaveLength(3);
});

test('who waits for an equal call does so for its own maxWait, and makes the call then', async () => {
  const slow = Promise.withResolvers<void>();
  let calls = 0;
  const model = new MockLanguageModelV4({
    doGenerate: async () => {
      const call = ++calls;
      if (call === 1) await slow.promise;
      return said(`call ${call}`);
    },
  });
  const { client, clock, ask, idle } = await world({ fast: [{ model, budget: 'big', cache: '1h' }] }, async (ctx) => {
    const first = generateText({ model: ctx.model('fast'), prompt: 'hi' });
    const brief = await generateText({ model: ctx.model('fast', { maxWait: '500ms' }), prompt: 'hi' });
    slow.resolve();
    return [(await first).text, brief.text];
  });
  const run = await client.submit(ask, {});
  await idle();
  expect(calls).toBe(1);
  await clock.advance(500);
  expect(await run.result()).toEqual({ said: ['call 1', 'call 2'] });
});

test('a stream that others wait for is theirs, too, when it has ended', async () => {
  const held = Promise.withResolvers<void>();
  const { model, asked } = provider(held.promise);
  const { client, ask } = await world({ fast: [{ model, budget: 'big', cache: '1h' }] }, async (ctx) => {
    const call = () => ({ model: ctx.model('fast'), prompt: 'hi' });
    const streamed = streamText(call()).text;
    const others = [generateText(call()), generateText(call())];
    held.resolve();
    return [await streamed, ...(await Promise.all(others)).map(({ text }) => text)];
  });
  const run = await client.submit(ask, {});
  expect(await run.result()).toEqual({ said: ['to be', 'to be', 'to be'] });
  expect(asked).toEqual(['hi']);
  expect((await run.status()).usage).toMatchObject({ inputTokens: 10, outputTokens: 2 });
});

test('a later attempt is given what the cache gave the one before, though the cache has forgotten it', async () => {
  const { model, asked } = provider();
  const { client, clock, ask, idle } = await world({ fast: [{ model, budget: 'big', cache: '1s' }] }, async (ctx) => {
    const { text } = await generateText({ model: ctx.model('fast'), prompt: 'hi' });
    if (ctx.id === 'again' && ctx.attempt === 1) throw new Error('again');
    return text;
  });
  await (await client.submit(ask, {}, { id: 'first' })).result();
  const run = await client.submit(ask, {}, { id: 'again' });
  await idle();
  await clock.advance('1m');
  expect(await run.result()).toEqual({ said: 'hi!' });
  expect(asked).toEqual(['hi']);
});

test('a redriven task is not given what it was told to forget from the cache, and its own answer takes the place there', async () => {
  const words = ['wrong', 'right'];
  const model = new MockLanguageModelV4({ doGenerate: async () => said(words.shift() ?? 'once more') });
  const { client, ask, idle } = await world(
    { fast: [{ model, budget: 'big', cache: '1h' }] },
    async (ctx) => {
      const { text } = await generateText({ model: ctx.model('fast'), prompt: 'hi' });
      if (text === 'wrong') throw new Error('found fault with it');
      return text;
    },
    { retry: { max: 1 } },
  );
  const dead = await client.submit(ask, {}, { id: 'a' });
  await idle();
  const { id } = await dead.retry({ forget: ['model:fast'] });
  expect(await client.run(ask, id).result()).toEqual({ said: 'right' });
  expect(await (await client.submit(ask, {}, { id: 'b' })).result()).toEqual({ said: 'right' });
});
