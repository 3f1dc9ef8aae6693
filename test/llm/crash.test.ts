import { generateText, streamText } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { expect, test } from 'vitest';
import { promptOf, said, spoken, streamOf, world } from './models-world.ts';

/** Answers what it is asked, but keeps the first call for `slow` in the air. */
const provider = () => {
  const asked: string[] = [];
  const hung = Promise.withResolvers<void>();
  const answer = async (prompt: string): Promise<void> => {
    asked.push(prompt);
    if (prompt !== 'slow' || asked.filter((each) => each === 'slow').length > 1) return;
    hung.resolve();
    await new Promise(() => {});
  };
  const model = new MockLanguageModelV4({
    doGenerate: async (params) => {
      await answer(promptOf(params));
      return said(promptOf(params).toUpperCase());
    },
    doStream: async (params) => {
      await answer(promptOf(params));
      return { stream: streamOf(spoken('to', ' be')) };
    },
  });
  return { model, asked, hung: hung.promise };
};

test('a node that dies in the middle of a call repeats that one, and none that was recorded', async () => {
  const { model, asked, hung } = provider();
  const { client, clock, crash, ask } = await world({ fast: [{ model, budget: 'big' }] }, async (ctx) => {
    const fast = ctx.model('fast');
    const texts: string[] = [];
    for (const prompt of ['one', 'two']) texts.push((await generateText({ model: fast, prompt })).text);
    texts.push(await streamText({ model: fast, prompt: 'three' }).text);
    const both = ['one', 'slow'].map((prompt) => generateText({ model: fast, prompt }));
    for (const { text } of await Promise.all(both)) texts.push(text);
    return texts;
  });
  const run = await client.submit(ask, {});
  await hung;
  await clock.advance('1s');
  await crash();
  await clock.advance('1m');
  expect(await run.result()).toEqual({ said: ['ONE', 'TWO', 'to be', 'ONE', 'SLOW'] });
  expect(asked).toEqual(['one', 'two', 'three', 'one', 'slow', 'slow']);
  const { attempt, usage } = await run.status();
  expect({ attempt, usage }).toMatchObject({ attempt: 2, usage: { inputTokens: 50 } });
});

test('the two requests of an interrupted call have the same key', async () => {
  const { model, hung } = provider();
  const { client, clock, crash, ask } = await world({ fast: [{ model, budget: 'big' }] }, async (ctx) => {
    return (await generateText({ model: ctx.model('fast'), prompt: 'slow' })).text;
  });
  const run = await client.submit(ask, {}, { id: 'x' });
  await hung;
  await crash();
  await clock.advance('1m');
  expect(await run.result()).toEqual({ said: 'SLOW' });
  const keys = model.doGenerateCalls.map(({ headers }) => headers?.['idempotency-key']);
  expect(keys).toEqual([expect.stringMatching(/^ask\.x:/), keys[0]]);
});
