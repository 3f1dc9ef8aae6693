import { isStepCount, readUIMessageStream, streamText, tool, type UIMessage } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { promptOf, spoken, streamOf, usage, world } from './models-world.ts';

/** Looks something up, then says what it has found: the first time not to the end. */
const agent = () => {
  const asked: string[] = [];
  let broken = 0;
  const model = new MockLanguageModelV4({
    doStream: async (params) => {
      const after = params.prompt.at(-1)?.role === 'tool';
      asked.push(after ? 'after the tool' : promptOf(params));
      if (!after)
        return {
          stream: streamOf([
            { type: 'stream-start', warnings: [] },
            { type: 'tool-call', toolCallId: 'call-1', toolName: 'find', input: '{"q":"it"}' },
            { type: 'finish', finishReason: { unified: 'tool-calls', raw: 'tool_calls' }, usage: usage(10, 5) },
          ]),
        };
      const parts = spoken('It', ' is', ' here');
      return { stream: streamOf(++broken === 1 ? parts.slice(0, 4) : parts) };
    },
  });
  return { model, asked };
};

test('an agent whose model breaks off goes on where it was, and who watches sees one message', async () => {
  const { model, asked } = agent();
  const found: string[] = [];
  const { client, clock, ask, idle } = await world({ fast: [{ model, budget: 'big' }] }, async (ctx) => {
    const find = tool({
      inputSchema: z.object({ q: z.string() }),
      execute: async ({ q }) => {
        found.push(q);
        return `${q} was found`;
      },
    });
    const result = streamText({
      model: ctx.model('fast'),
      tools: ctx.tools({ find }),
      prompt: 'where?',
      stopWhen: isStepCount(3),
      onError: () => {},
    });
    await ctx.stream(result);
    return result.text;
  });
  const run = await client.submit(ask, {});
  let message: UIMessage | undefined;
  const errors: unknown[] = [];
  const reading = (async () => {
    const stream = run.uiMessageStream();
    for await (const each of readUIMessageStream({ stream, onError: (error) => errors.push(error) })) message = each;
  })();
  await idle();
  await clock.advance('5s');
  expect(await run.result()).toEqual({ said: 'It is here' });
  await reading;
  expect(errors).toEqual([]);
  expect(message?.parts).toMatchObject([
    { type: 'step-start' },
    { type: 'tool-find', toolCallId: 'call-1', state: 'output-available', output: 'it was found' },
    { type: 'step-start' },
    { type: 'text', text: 'It is here', state: 'done' },
  ]);
  expect(found).toEqual(['it']);
  expect(asked).toEqual(['where?', 'after the tool', 'after the tool']);
});
