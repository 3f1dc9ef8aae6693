// What the nodes of this proof run: an agent that calls a model six times and tools three times, all of it by the AI SDK.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, isStepCount, type LanguageModel, streamText, tool, wrapLanguageModel } from 'ai';
import { defineApp, defineTask, modelFetch } from 'troupe';
import { z } from 'zod';
import { type Point, passed } from './failpoints.ts';
import { noted, repeatPlanted } from './plant.ts';

const { PROVE_PROVIDER = 'http://127.0.0.1:9/v1', PROVE_TOOLS = 'http://127.0.0.1:9' } = process.env;

export const callsOfTask = { model: 6, tools: 3 };
export const workersOfNode = 10;

type Model = Exclude<LanguageModel, string> & { readonly specificationVersion: 'v4' };

/** Comes to the point whenever the model has answered in one piece. */
const passing = (model: Model, point: Point): Model =>
  wrapLanguageModel({
    model,
    middleware: {
      specificationVersion: 'v4',
      wrapGenerate: async ({ doGenerate }) => {
        const answer = await doGenerate();
        passed(point);
        return answer;
      },
    },
  });

const provider = createOpenAICompatible({
  name: 'simulated',
  baseURL: PROVE_PROVIDER,
  includeUsage: true,
  fetch: noted(modelFetch),
});

const post = noted(fetch);

/** A service that acts each time it is asked, and logs it. */
const acting = (name: string) =>
  tool({
    description: `Does what ${name} says`,
    inputSchema: z.object({ title: z.string() }),
    execute: async (input, options) => {
      const key = 'idempotencyKey' in options ? String(options.idempotencyKey) : '';
      const { ok, status } = await post(`${PROVE_TOOLS}/${name}`, {
        method: 'POST',
        headers: { 'idempotency-key': key },
        body: JSON.stringify(input),
        signal: options.abortSignal ?? null,
      });
      if (!ok) throw new Error(`tool ${name} answered ${status}`);
      return { done: `${name} ${input.title}` };
    },
  });

export const agent = defineTask({
  name: 'agent',
  pool: 'agents',
  timeout: '5m',
  retry: { max: 8, backoff: { first: '500ms' } },
  input: z.object({ n: z.int() }),
  output: z.object({ report: z.string() }),
  run: async (ctx, { n }) => {
    const model = passing(ctx.model('agent'), 'recorded');
    const common = { model, maxOutputTokens: 200 };
    // Four calls of the model, the first three of which each ask for a tool.
    const { text } = await generateText({
      ...common,
      tools: ctx.tools({ search: acting('search'), order: acting('order'), pay: acting('pay') }),
      stopWhen: isStepCount(callsOfTask.tools + 1),
      prepareStep: () => {
        passed('recorded'); // What the tools of the step before have done.
        return undefined;
      },
      prompt: `Do this.\n\nErrand ${n}. Find what was asked for, order it, and pay for it.`,
    });
    await repeatPlanted(`agent.${ctx.id}`);
    let report = text;
    for (const order of ['Say it shorter.', 'Say it in plain words.']) {
      const said = streamText({ ...common, prompt: `${order}\n\n${report}` });
      for await (const _words of said.textStream) passed('streaming');
      report = await said.text;
      passed('recorded');
    }
    return { report };
  },
});

export default defineApp({
  tasks: [agent],
  pools: { agents: { workers: { min: workersOfNode, max: workersOfNode } } },
  budgets: { ample: { requests: { limit: 1_000_000, per: '10s' } } },
  models: { agent: [{ model: passing(provider('agent'), 'answered'), budget: 'ample' }] },
});
