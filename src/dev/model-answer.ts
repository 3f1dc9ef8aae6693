/** What the simulated model says: nothing that is not in the prompt, and that it is no model. */
import { z } from 'zod';
import { documentIn, readDocument } from './model-document.ts';
import { structured } from './model-structured.ts';

export interface Answer {
  readonly text: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** How many tokens the request lets it have at most; as many as it has where it does not say. */
  readonly outputMax: number;
}

/** As much of a chat completion request as the answer depends on. */
const request = z.object({
  max_completion_tokens: z.int().positive().optional().catch(undefined),
  max_tokens: z.int().positive().optional().catch(undefined),
  messages: z
    .array(
      z.object({
        role: z.string(),
        content: z.union([z.string(), z.array(z.object({ text: z.string().optional() }))]).nullish(),
      }),
    )
    .default([]),
  response_format: z.object({ type: z.string(), json_schema: z.object({ schema: z.unknown() }).optional() }).optional(),
});

type Message = z.infer<typeof request>['messages'][number];

const contentOf = ({ content }: Message): string =>
  typeof content === 'string' ? content : (content ?? []).map(({ text }) => text ?? '').join('\n');

/** Providers count in their own ways; four characters a token is what all of them come close to in English. */
const tokens = (text: string): number => Math.ceil(text.length / 4);

const summary = (title: string, sentences: readonly string[]): string => {
  const leading = sentences.slice(0, 3).join(' ');
  return `[simulated] ${title}${leading ? `. ${leading}` : ''}`;
};

const say = (prompt: string, format: z.infer<typeof request>['response_format']): string => {
  const document = readDocument(documentIn(prompt));
  if (format?.type === 'json_schema') return JSON.stringify(structured(format.json_schema?.schema, document));
  if (format?.type === 'json_object') {
    const { title, keywords, people, places, years } = document;
    return JSON.stringify({ title, keywords: keywords.slice(0, 5), people, places, years });
  }
  return summary(document.title, document.sentences);
};

/** The same request, the same answer. */
export const answer = (body: unknown): Answer => {
  const asked = request.safeParse(body).data;
  const { messages = [], response_format } = asked ?? {};
  const prompt = contentOf(messages.findLast(({ role }) => role === 'user') ?? { role: 'user', content: '' });
  const text = say(prompt, response_format);
  const outputTokens = tokens(text);
  const outputMax = asked?.max_completion_tokens ?? asked?.max_tokens ?? outputTokens;
  return { text, inputTokens: tokens(messages.map(contentOf).join('\n')), outputTokens, outputMax };
};
