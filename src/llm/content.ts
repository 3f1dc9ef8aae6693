/** A model's answer as the journal keeps it: JSON, whatever the provider gave. */
import {
  InvalidResponseDataError,
  type LanguageModelV4Content,
  type LanguageModelV4FinishReason,
  type LanguageModelV4GenerateResult,
  type LanguageModelV4Usage,
  type SharedV4ProviderMetadata,
  type SharedV4Warning,
} from '@ai-sdk/provider';
import { z } from 'zod';
import { NonRetryableError } from '../kernel/errors.ts';
import { optional } from '../kernel/optional.ts';
import type { Usage } from '../task/record.ts';
import { asJson } from './as-json.ts';
import { credible } from './usage.ts';

/** What came back, from an answer in one piece or from a stream. */
export interface Answer {
  readonly content: readonly LanguageModelV4Content[];
  readonly structuredOutputText?: string;
  readonly finishReason: LanguageModelV4FinishReason;
  readonly usage: LanguageModelV4Usage;
  readonly providerMetadata?: SharedV4ProviderMetadata;
  readonly warnings: readonly SharedV4Warning[];
  readonly response: { readonly id: string; readonly modelId?: string; readonly timestamp?: Date };
}

const object = <T extends object>() => z.custom<T>((value) => typeof value === 'object' && value !== null);

/** What of an answer is written down: bytes as base64, which the AI SDK reads as well; addresses and dates as text. */
const recorded = z.object({
  /** `<provider>/<model>`. */
  by: z.string(),
  content: z.array(object<LanguageModelV4Content>()),
  structuredOutputText: z.string().exactOptional(),
  finishReason: object<LanguageModelV4FinishReason>(),
  usage: object<LanguageModelV4Usage>(),
  providerMetadata: object<SharedV4ProviderMetadata>().exactOptional(),
  warnings: z.array(object<SharedV4Warning>()),
  response: z.object({
    id: z.string(),
    modelId: z.string().exactOptional(),
    timestamp: z.string().exactOptional(),
  }),
  /** The provider's own name for the request. */
  requestId: z.string().exactOptional(),
  /** That of the task which made it: all later ones were given the record. */
  attempt: z.number().exactOptional(),
  /** How long it waited for its permits, in ms. */
  waitedMs: z.number().exactOptional(),
  /** What the call cost when it was made. */
  billed: z.object({ inputTokens: z.number(), outputTokens: z.number(), usd: z.number() }),
});

export type Recorded = Readonly<z.infer<typeof recorded>>;

export interface Origin {
  readonly by: string;
  readonly requestId: string | undefined;
  readonly attempt: number;
  readonly waitedMs: number;
  readonly billed: Usage;
}

/** It has been paid for: what cannot be written is left out. Throws `InvalidResponseDataError` for what is no answer. */
export const record = (answer: Answer, { by, requestId, attempt, waitedMs, billed }: Origin): Recorded => {
  const { response, content, warnings, usage, ...rest } = answer;
  const kept = {
    ...rest,
    usage: credible(usage),
    by,
    attempt,
    waitedMs: Math.round(waitedMs),
    billed,
    content: content.map(written),
    warnings,
    response: optional({
      id: response.id,
      modelId: response.modelId,
      timestamp: dateText(response.timestamp),
    }),
    ...(requestId === undefined ? {} : { requestId }),
  };
  const { data, error } = recorded.safeParse(asJson(kept));
  if (data) return data;
  throw new InvalidResponseDataError({ data: undefined, message: `it gave no answer: ${z.prettifyError(error)}` });
};

const dateText = (date: unknown): string | undefined =>
  date instanceof Date && !Number.isNaN(date.getTime()) ? date.toISOString() : undefined;

const written = (part: LanguageModelV4Content): LanguageModelV4Content => {
  if (part.type !== 'file' && part.type !== 'reasoning-file') return part;
  const { data } = part;
  return data.type === 'data' && data.data instanceof Uint8Array
    ? { ...part, data: { type: 'data', data: Buffer.from(data.data).toString('base64') } }
    : part;
};

/** A step's value as the call that was recorded. Throws `NonRetryableError` for what is none. */
export const recall = (value: unknown, step: string): Recorded => {
  const { data, error } = recorded.safeParse(value);
  if (data) return data;
  throw new NonRetryableError(`step "${step}" is recorded, but not as a model's answer: ${z.prettifyError(error)}`);
};

/** What the AI SDK is given: the same on the first attempt as on those that replay it. */
export const answerOf = (said: Recorded): LanguageModelV4GenerateResult & Answer => {
  const { structuredOutputText, finishReason, usage, providerMetadata, warnings, response, content } = said;
  return {
    ...optional({ structuredOutputText, providerMetadata }),
    finishReason,
    usage,
    warnings,
    content: content.map(read),
    response: optional({
      id: response.id,
      modelId: response.modelId,
      timestamp: response.timestamp === undefined ? undefined : new Date(response.timestamp),
    }),
  };
};

const read = (part: LanguageModelV4Content): LanguageModelV4Content =>
  (part.type === 'file' || part.type === 'reasoning-file') && part.data.type === 'url'
    ? { ...part, data: { ...part.data, url: new URL(part.data.url) } }
    : part;
