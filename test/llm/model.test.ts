import { generateText, streamText } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { expect, test } from 'vitest';
import { promptOf, said, spoken, streamOf, world } from './models-world.ts';

const echo = () => {
  const asked: string[] = [];
  const model = new MockLanguageModelV4({
    doGenerate: async (params) => {
      asked.push(promptOf(params));
      return said(`${promptOf(params)}!`);
    },
    doStream: async (params) => {
      asked.push(promptOf(params));
      return { stream: streamOf(spoken('to', ' be')) };
    },
  });
  return { model, asked };
};

test('a call is answered, counted and priced', async () => {
  const { model, asked } = echo();
  const price = { input: 2, output: 10 };
  const { client, ask } = await world({ fast: [{ model, budget: 'big', price }] }, async (ctx) => {
    const { text, response } = await generateText({ model: ctx.model('fast'), prompt: 'hi' });
    return { text, id: response.id };
  });
  const run = await client.submit(ask, {}, { id: 'a' });
  expect(await run.result()).toEqual({ said: { text: 'hi!', id: expect.stringMatching(/^ask\.a:/) } });
  expect(asked).toEqual(['hi']);
  expect((await run.status()).usage).toEqual({ inputTokens: 10, outputTokens: 5, usd: 0.00007 });
});

test('a later attempt is given the recorded answer, and pays nothing', async () => {
  const { model, asked } = echo();
  const { client, clock, ask } = await world({ fast: [{ model, budget: 'big' }] }, async (ctx, attempt) => {
    const { text } = await generateText({ model: ctx.model('fast'), prompt: 'one' });
    const twice = await Promise.all([1, 2].map(() => generateText({ model: ctx.model('fast'), prompt: 'two' })));
    const streamed = await streamText({ model: ctx.model('fast'), prompt: 'three' }).text;
    if (attempt < 3) throw new Error('once more');
    return [text, ...twice.map((each) => each.text), streamed];
  });
  const run = await client.submit(ask, {});
  await clock.advance('1s');
  expect(await run.result()).toEqual({ said: ['one!', 'two!', 'two!', 'to be'] });
  expect(asked).toEqual(['one', 'two', 'two', 'three']);
  expect((await run.status()).usage).toMatchObject({ inputTokens: 40, outputTokens: 17 });
});
