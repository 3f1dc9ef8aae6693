// app.ts: what a node runs. TROUPE_APP=app.ts DATABASE_URL=postgres://… npx node dist/node.js
import { createOpenAI } from '@ai-sdk/openai';
import { generateText } from 'ai';
import { defineApp, defineTask, modelFetch } from 'troupe';
import { z } from 'zod';

export const summarise = defineTask({
  name: 'summarise', pool: 'documents', timeout: '2m', retry: { max: 4 },
  input: z.object({ url: z.url() }), output: z.string(),
  run: async (ctx, { url }) => {        // a retry, or a takeover, is given what was recorded, the model's answer too
    const page = await ctx.step('fetch', async () => (await fetch(url, { signal: ctx.abortSignal })).text());
    return (await generateText({ model: ctx.model('fast'), prompt: page, maxOutputTokens: 500 })).text;
  },
});
export default defineApp({
  tasks: [summarise],
  pools: { documents: { workers: { min: 8, max: 16 } } },      // 8 on each node; there is no autoscaler yet
  budgets: { tier1: { requests: { limit: 600, per: '1m' }, tokens: { limit: 200_000, per: '1m' } } },
  models: { fast: [{ model: createOpenAI({ fetch: modelFetch })('gpt-5-mini'), budget: 'tier1' }] },
});
