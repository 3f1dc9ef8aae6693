/** What the simulated model says: nothing that is not in the prompt, and that it is no model. */
import { z } from 'zod';
import { documentIn, readDocument } from './model-document.ts';
import { structured } from './model-structured.ts';

/** Of a tool: its name, and what to do, as JSON. */
export interface Call {
  readonly name: string;
  readonly arguments: string;
}

export interface Answer {
  readonly text: string;
  /** What it wants done instead of saying something. */
  readonly call: Call | undefined;
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
  tools: z
    .array(z.object({ function: z.object({ name: z.string(), parameters: z.unknown().optional() }) }))
    .default([])
    .catch([]),
  tool_choice: z.unknown().optional(),
  response_format: z.object({ type: z.string(), json_schema: z.object({ schema: z.unknown() }).optional() }).optional(),
});

type Request = z.infer<typeof request>;
type Message = Request['messages'][number];

const contentOf = ({ content }: Message): string =>
  typeof content === 'string' ? content : (content ?? []).map(({ text }) => text ?? '').join('\n');

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

/** Each tool it is offered it calls once for a question, one after the other; then it answers. */
const calling = ({ messages, tools, tool_choice }: Request, prompt: string): Call | undefined => {
  const done = messages.slice(messages.findLastIndex(({ role }) => role === 'user')).filter(isResult).length;
  const next = tool_choice === 'none' ? undefined : tools[done];
  if (!next) return undefined;
  const { name, parameters } = next.function;
  return { name, arguments: JSON.stringify(structured(parameters, readDocument(documentIn(prompt)))) };
};

const isResult = ({ role }: Message): boolean => role === 'tool';

/** The same request, the same answer. `tokens` counts those of a text. */
export const answer = (body: unknown, tokens: (text: string) => number): Answer => {
  const asked = request.safeParse(body).data;
  const { messages = [], response_format } = asked ?? {};
  const prompt = contentOf(messages.findLast(({ role }) => role === 'user') ?? { role: 'user', content: '' });
  const call = asked && calling(asked, prompt);
  const text = call ? '' : say(prompt, response_format);
  const outputTokens = tokens(call ? call.arguments : text);
  const outputMax = asked?.max_completion_tokens ?? asked?.max_tokens ?? outputTokens;
  return { text, call, inputTokens: tokens(messages.map(contentOf).join('\n')), outputTokens, outputMax };
};
