// Three tasks over the texts in examples/corpus: one that summarises, one that extracts, one that stumbles on purpose.
import { generateText, Output } from 'ai';
import { defineApp, defineTask, NonRetryableError } from 'troupe';
import { z } from 'zod';
import { Document, readDocument } from './documents.ts';
import { fast } from './model.ts';

/** Of a call. Where a process dies, its calls count as going on for so long: their places are not given to others. */
const timeout = '15s';

/** Reads, then asks and measures at once. What is recorded, steps and answers, is never done, nor paid for, again. */
export const summarise = defineTask({
  name: 'summarise',
  pool: 'documents',
  timeout: '2m',
  retry: { max: 8 },
  input: Document,
  output: z.object({ title: z.string(), summary: z.string(), words: z.number(), minutes: z.number() }),
  progress: z.object({ stage: z.enum(['reading', 'asking']) }),
  run: async (ctx, { document }) => {
    ctx.progress({ stage: 'reading' });
    const { title, text } = await ctx.step('read', () => readDocument(document));

    ctx.progress({ stage: 'asking' });
    const [{ text: summary }, { words }] = await Promise.all([
      generateText({
        model: ctx.model('fast', { timeout }),
        prompt: `Summarise this in three sentences.\n\n<document>\n${text}\n</document>`,
        maxOutputTokens: 600,
      }),
      ctx.step('measure', () => ({ words: text.split(/\s+/).length })),
    ]);

    return { title, summary, words, minutes: Math.ceil(words / 230) };
  },
});

const Facts = z.object({
  title: z.string(),
  keywords: z.array(z.string()).max(8),
  people: z.array(z.string()),
  places: z.array(z.string()),
  years: z.array(z.int()),
});

/** Structured output: the model is given the schema, and its answer is checked against it. */
export const extract = defineTask({
  name: 'extract',
  pool: 'extraction',
  timeout: '2m',
  retry: { max: 8 },
  input: Document,
  output: Facts,
  run: async (ctx, { document }) => {
    const { text } = await ctx.step('read', () => readDocument(document));
    const { output } = await generateText({
      model: ctx.model('fast', { timeout }),
      output: Output.object({ schema: Facts }),
      prompt: `Extract the facts.\n\n<document>\n${text}\n</document>`,
      maxOutputTokens: 200,
    });
    return output;
  },
});

/** Asks, then fails on purpose for some documents. A second attempt replays the answer instead of asking again. */
export const inspect = defineTask({
  name: 'inspect',
  timeout: '2m',
  retry: { max: 4, backoff: { first: '500ms' } },
  input: Document,
  output: z.object({ verdict: z.string(), attempts: z.number() }),
  run: async (ctx, { document }) => {
    const { title, text } = await ctx.step('read', () => readDocument(document));
    const { text: verdict } = await generateText({
      model: ctx.model('fast', { timeout }),
      prompt: `What is worth reading in this?\n\n<document>\n${text}\n</document>`,
      maxOutputTokens: 600,
    });
    stumble(title, ctx.attempt);
    return { verdict, attempts: ctx.attempt };
  },
});

/** One document in sixty is refused, one in forty never passes, and one in six passes at the second attempt. */
const stumble = (title: string, attempt: number): void => {
  const number = Buffer.from(title).reduce((sum, byte) => (sum * 31 + byte) % 60_000, 7);
  if (number % 60 === 0) throw new NonRetryableError(`refuses "${title}" on purpose: it is never retried`);
  if (number % 40 === 1) throw new Error(`fails at "${title}" on purpose, each time`);
  if (number % 6 === 2 && attempt === 1) throw new Error(`fails at "${title}" on purpose, once`);
};

export default defineApp({
  tasks: [summarise, extract, inspect],
  pools: {
    documents: { workers: { min: 4, max: 8 }, lanes: { high: { reserve: 1 } } },
    extraction: { workers: { min: 4, max: 8 } },
    default: { workers: { min: 2, max: 4 } },
  },
  // What the provider allows, all nodes together. The simulated one of `npm start` takes its limits from here.
  budgets: {
    tier1: {
      requests: { limit: 160, per: '10s' },
      tokens: { limit: 170_000, per: '10s' },
      concurrent: 16,
    },
  },
  // $ per million tokens.
  models: { fast: [{ model: fast, budget: 'tier1', price: { input: 0.25, output: 2 } }] },
});
