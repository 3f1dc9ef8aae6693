/** One call of one provider's model, in one piece or as a stream, up to its answer. */
import type { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4StreamPart } from '@ai-sdk/provider';
import { PayloadTooLargeError } from '../kernel/errors.ts';
import { optional } from '../kernel/optional.ts';
import { unlessAborted } from '../kernel/signal.ts';
import type { Answer } from './content.ts';
import { CutStreamError } from './failure.ts';
import { collector } from './parts.ts';

type Headers = Readonly<Record<string, string>>;

export interface ProviderCall {
  readonly model: LanguageModelV4;
  readonly params: LanguageModelV4CallOptions;
  /** Aborts with what to throw: the caller's reason, or the call's timeout. */
  readonly signal: AbortSignal;
  /** For a provider that does not name its response. */
  readonly id: string;
  /** The response has begun: called before the body has been read, where that can be told. */
  heard(headers: Headers): void;
}

/** Takes the parts of a stream as they come, but the last, which says that the answer is complete. */
export interface Sink {
  /** Resolves when there is room for another; rejects when nobody reads any more. */
  part(part: LanguageModelV4StreamPart): Promise<void>;
}

/** What one answer may weigh in all, as text. */
const answerMax = 4 * 1024 * 1024;

export const generate = async ({ model, params, signal, id, heard }: ProviderCall): Promise<Answer> => {
  const result = await unlessAborted(signal, Promise.resolve(model.doGenerate(params)));
  if (result.response?.headers) heard(result.response.headers);
  const size = result.content.reduce((sum, part) => sum + ('text' in part ? part.text.length : sizeOf(part)), 0);
  refuseLarge(size);
  const { content, structuredOutputText, finishReason, usage, providerMetadata, warnings, response } = result;
  return {
    ...optional({ structuredOutputText, providerMetadata }),
    content,
    finishReason,
    usage,
    warnings,
    response: named(response ?? {}, id),
  };
};

const sizeOf = (part: object): number => {
  if ('input' in part && typeof part.input === 'string') return part.input.length;
  const data = 'data' in part && typeof part.data === 'object' && part.data !== null ? part.data : {};
  return 'data' in data && (typeof data.data === 'string' || data.data instanceof Uint8Array) ? data.data.length : 0;
};

const refuseLarge = (size: number): void => {
  if (size > answerMax)
    throw new PayloadTooLargeError(
      `the model's answer has ${size} bytes; at most ${answerMax} are kept: bound it with maxOutputTokens`,
    );
};

const named = ({ id, modelId, timestamp }: Partial<Answer['response']>, otherwise: string): Answer['response'] =>
  optional({ id: textOf(id) ?? otherwise, modelId: textOf(modelId), timestamp });

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** Parts that only say what is coming: kept back until it comes, as until then another provider may take over. */
const isPrelude = ({ type }: LanguageModelV4StreamPart): boolean =>
  type === 'stream-start' || type === 'response-metadata';

export const stream = async (call: ProviderCall, sink: Sink): Promise<Answer> => {
  const { model, params, signal, id, heard } = call;
  const opened = await unlessAborted(signal, Promise.resolve(model.doStream(params)));
  heard(opened.response?.headers ?? {});
  const parts = opened.stream.getReader();
  const collected = collector();
  const prelude: LanguageModelV4StreamPart[] = [];
  try {
    for (;;) {
      const { done, value } = await unlessAborted(signal, parts.read());
      if (done) break;
      if (value.type === 'error') throw value.error;
      collected.add(value);
      refuseLarge(collected.size());
      if (value.type === 'finish') continue;
      const part = value.type === 'response-metadata' ? { ...value, id: value.id ?? id } : value;
      if (isPrelude(part)) prelude.push(part);
      else for (const each of [...prelude.splice(0), part]) await unlessAborted(signal, sink.part(each));
    }
  } catch (error) {
    void parts.cancel(error).catch(() => {}); // The provider's stream is of no use any more, whatever it says to that.
    throw error;
  }
  const answer = collected.answer();
  if (!answer) throw new CutStreamError('the stream ended before its answer did');
  return { ...answer, response: named(collected.response(), id) };
};
