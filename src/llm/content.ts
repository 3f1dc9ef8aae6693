/** A model's answer as the journal keeps it: JSON, whatever the provider gave. */
import type {
  LanguageModelV4Content,
  LanguageModelV4FinishReason,
  LanguageModelV4GenerateResult,
  LanguageModelV4Usage,
  SharedV4ProviderMetadata,
  SharedV4Warning,
} from '@ai-sdk/provider';
import { z } from 'zod';
import { NonRetryableError } from '../kernel/errors.ts';
import { optional } from '../kernel/optional.ts';
import type { Usage } from '../task/record.ts';
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

/** It has been paid for, so nothing throws here: what cannot be written is left out. */
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
    warnings: [...warnings],
    response: optional({
      id: response.id,
      modelId: response.modelId,
      timestamp: dateText(response.timestamp),
    }),
    ...(requestId === undefined ? {} : { requestId }),
  };
  // What a provider's package adds may be anything: here NaN is null, where the journal would refuse it.
  return JSON.parse(jsonOf(kept));
};

const dateText = (date: unknown): string | undefined =>
  date instanceof Date && !Number.isNaN(date.getTime()) ? date.toISOString() : undefined;

/** What providers add of their own, wherever it is. */
const additions: ReadonlySet<string> = new Set(['providerMetadata', 'raw']);

const jsonOf = (kept: object): string => {
  try {
    return JSON.stringify(kept);
  } catch {
    return JSON.stringify(kept, (name, value: unknown) => (additions.has(name) ? undefined : value));
  }
};

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
