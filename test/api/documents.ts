// A document pipeline: a task with steps, a task that submits others, a contract completed later.
import { generateText, Output } from 'ai';
import { defineApp, defineTask, schedule } from 'troupe';
import { z } from 'zod';
import { config } from './config.ts';

const Summary = z.object({ title: z.string(), points: z.array(z.string()).max(5) });

export const summarise = defineTask({
  name: 'summarise',
  pool: 'documents',
  timeout: '2m',
  retry: { max: 4 },
  input: z.object({ url: z.url(), words: z.number().default(200) }),
  output: Summary,
  id: ({ url }) => url.replace(/[^A-Za-z0-9]+/g, '-').slice(-60),
  run: async (ctx, { url, words }) => {
    const page = await ctx.step('fetch', async ({ abortSignal }) => (await fetch(url, { signal: abortSignal })).text());
    const { output } = await generateText({
      model: ctx.model('fast'),
      output: Output.object({ schema: Summary }),
      prompt: `In ${words} words:\n${page}`,
    });
    return output;
  },
});

export const report = defineTask({
  name: 'report',
  pool: 'documents',
  deadline: '7d',
  input: z.object({ topic: z.string(), urls: z.array(z.url()).max(1000), approver: z.email() }),
  output: z.object({
    status: z.enum(['published', 'rejected', 'expired']),
    text: z.string().optional(),
    failed: z.number(),
  }),
  progress: z.object({ stage: z.enum(['reading', 'writing', 'approval']), of: z.number().optional() }),
  run: async (ctx, { topic, urls }) => {
    ctx.progress({ stage: 'reading', of: urls.length });
    for (const url of urls) await ctx.submit(summarise, { url }, { group: topic });
    ctx.progress({ stage: 'writing' });
    const { text } = await generateText({ model: ctx.model('smart', { maxWait: '1h' }), prompt: topic });
    return { status: 'published', text, failed: 0 };
  },
});

// Recursion: the contract first, then the code; a task cannot mention itself in its own initialiser.
const crawl = defineTask({
  name: 'crawl',
  pool: 'documents',
  input: z.object({ url: z.url(), depth: z.number() }),
  output: z.object({ pages: z.number() }),
});
export const crawler = crawl.run(async (ctx, { url, depth }) => {
  const links = await ctx.step('links', async () =>
    (await fetch(url)).text().then((text) => [...text.matchAll(/https?:\S+/g)].map((match) => match[0])),
  );
  if (depth > 0) for (const link of links.slice(0, 5)) await ctx.submit(crawl, { url: link, depth: depth - 1 });
  return { pages: links.length };
});

export default defineApp({
  ...config,
  tasks: [summarise, report, crawler],
  schedules: [schedule(summarise, { name: 'nightly', cron: '0 2 * * *', input: { url: 'https://a.b' } })],
});
