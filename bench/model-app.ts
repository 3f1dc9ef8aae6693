// A model that answers at once, asked as it is and as Troupe gives it to a handler.
import type { LanguageModelV4 } from '@ai-sdk/provider';
import { generateText } from 'ai';
import { defineApp, defineTask } from 'troupe';
import { z } from 'zod';

const instant: LanguageModelV4 = {
  specificationVersion: 'v4',
  provider: 'bench',
  modelId: 'instant',
  supportedUrls: {},
  doGenerate: async () => ({
    content: [{ type: 'text', text: 'yes' }],
    finishReason: { unified: 'stop', raw: 'stop' },
    usage: {
      inputTokens: { total: 10, noCache: 10, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: 1, text: 1, reasoning: 0 },
    },
    warnings: [],
  }),
  doStream: () => Promise.reject(new Error('nobody streams here')),
};

const Times = z.object({ bareMs: z.array(z.number()), troupeMs: z.array(z.number()) });

/** Calls in one task: as many as an agent may make. Each is a step of its record. */
const calls = 20;

const compare = defineTask({
  name: 'compare',
  input: z.object({ round: z.number() }),
  output: Times,
  run: async (ctx) => {
    const times = { bareMs: [] as number[], troupeMs: [] as number[] };
    const timed = async (to: number[], call: () => Promise<unknown>): Promise<void> => {
      const from = performance.now();
      await call();
      to.push(performance.now() - from);
    };
    for (let index = 0; index < calls; index += 1) {
      const prompt = `Is ${index} a number? ${'Say yes, or no. '.repeat(50)}`;
      await timed(times.bareMs, () => generateText({ model: instant, prompt, maxOutputTokens: 10 }));
      await timed(times.troupeMs, () => generateText({ model: ctx.model('instant'), prompt, maxOutputTokens: 10 }));
    }
    return times;
  },
});

export default defineApp({
  tasks: [compare],
  budgets: { bench: { requests: { limit: 1_000_000_000, per: '1m' } } },
  models: { instant: [{ model: instant, budget: 'bench' }] },
});
