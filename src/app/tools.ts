/** `ctx.tools`: what a model asks a tool to do is done once, whatever happens to the attempt. */
import type { ToolExecutionOptions, ToolSet } from 'ai';
import { hashOf } from '../llm/key.ts';
import type { StepInput, StepOptions } from './context-types.ts';

type Step = (name: string, fn: (step: StepInput) => unknown, options?: StepOptions) => Promise<unknown>;
type AnyTool = ToolSet[string];
type Options = ToolExecutionOptions<unknown>;

/** Tools without `execute` are left as they are: a provider or a client runs them. */
export const journaled = <T extends ToolSet>(step: Step, tools: T): T => {
  const wrapped = Object.entries(tools).map(([name, tool]) => [name, journaledTool(step, name, tool)] as const);
  return Object.fromEntries(wrapped) as T; // The same names, and each the same tool to its caller.
};

const journaledTool = (step: Step, name: string, tool: AnyTool): AnyTool => {
  const { execute } = tool;
  if (execute === undefined) return tool;
  const once = (input: unknown, options: Options): Promise<unknown> =>
    step(`tool:${name}`, (given) => lastOf(execute.call(tool, input, completed(options, given))), {
      key: keyOf(options),
    });
  return { ...tool, execute: once };
};

/**
 * Some servers number the calls of each answer anew. Of those with one id, what the earlier ones gave tells the later
 * ones apart: an order would not, as conversations run beside each other, and go another way after a tool has failed.
 */
const keyOf = ({ toolCallId, messages }: Options): string => {
  const results = messages.flatMap((message) => (message.role === 'tool' ? message.content : []));
  const earlier = results.filter((part) => part.type === 'tool-result' && part.toolCallId === toolCallId);
  return earlier.length === 0 ? toolCallId : `${toolCallId}.${hashOf(toolCallId, earlier)}`;
};

/** With the task's signal beside the call's, and a key that no other task's call has. */
const completed = (options: Options, { abortSignal, idempotencyKey }: StepInput) => ({
  ...options,
  abortSignal: options.abortSignal ? AbortSignal.any([options.abortSignal, abortSignal]) : abortSignal,
  idempotencyKey,
});

/** A tool that streams shows what it has so far again and again: the last is its result. */
const lastOf = async (result: unknown): Promise<unknown> => {
  if (!isStream(result)) return result;
  let last: unknown;
  for await (const each of result) last = each;
  return last;
};

const isStream = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
