/**
 * What a call will use at most: what goes in, counted, and what may come out, as the caller bounds it. The limiter
 * reserves so much; what was used in fact is settled afterwards.
 */
import type { LanguageModelV4CallOptions, LanguageModelV4Prompt } from '@ai-sdk/provider';
import type { Clock } from '../kernel/clock.ts';
import { NonRetryableError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import { type Amount, amountOf } from '../limiter/budget.ts';
import { type Count, countByLength, countInTurns, counterOf, type Encoding, encodingOf } from './tokens.ts';
import { count as sane } from './usage.ts';

/** Where a call does not set `maxOutputTokens`. */
export const defaultOutputTokens = 4_096;

/** What a provider wraps around each message, tool and call. */
const perMessage = 8;
const perPart = 4;
const perCall = 16;
/** An image, or a file that the provider fetches by itself: more than most take. */
const perFile = 2_000;

export interface Named {
  readonly provider: string;
  readonly modelId: string;
}

export interface Estimator {
  /** Loads what these models need, so that no call has to wait for it. */
  prepare(models: Iterable<Named>): Promise<void>;
  amount(model: Named, call: LanguageModelV4CallOptions): Promise<Amount>;
}

export interface EstimatorOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'modelTokensByLength'>;
}

export const estimator = ({ clock, log, metrics }: EstimatorOptions): Estimator => {
  const counters = new Map<Encoding, Promise<Count>>();
  const told = new Set<string>();

  const counter = (model: Named): Count | Promise<Count> => {
    const encoding = encodingOf(model);
    if (encoding === undefined) {
      tellOnce(model);
      return countByLength;
    }
    const known = counters.get(encoding);
    if (known) return known;
    const loading = counterOf(encoding);
    counters.set(encoding, loading);
    return loading;
  };

  const tellOnce = ({ provider, modelId }: Named): void => {
    if (told.has(modelId)) return;
    told.add(modelId);
    log.warn({ provider, model: modelId }, 'no tokenizer is known of this model: tokens are estimated by length');
  };

  return {
    prepare: async (models) => {
      for (const model of models) await counter(model);
    },
    amount: async (model, call) => {
      const { text, other } = contents(call);
      const count = await counter(model);
      if (count === countByLength) metrics.modelTokensByLength.labels(model.modelId).inc();
      const input = other + (await countInTurns(clock, text, count));
      return amountOf(input, outputOf(call));
    },
  };
};

const outputOf = ({ maxOutputTokens = defaultOutputTokens }: LanguageModelV4CallOptions): number => {
  if (sane(maxOutputTokens) !== undefined && maxOutputTokens >= 1) return Math.ceil(maxOutputTokens);
  throw new NonRetryableError(`maxOutputTokens is ${maxOutputTokens}; it takes a number from 1 to 1,000,000,000`);
};

interface Contents {
  /** All text of the call, in one. */
  readonly text: string;
  /** Tokens of what is no text. */
  readonly other: number;
}

const contents = ({ prompt, tools = [], responseFormat }: LanguageModelV4CallOptions): Contents => {
  const parts = prompt.flatMap(partsOf);
  const schema = responseFormat?.type === 'json' && responseFormat.schema ? [JSON.stringify(responseFormat)] : [];
  const texts = [
    ...parts.filter((part) => typeof part === 'string'),
    ...tools.map((tool) => JSON.stringify(tool)),
    ...schema,
  ];
  const others = parts.filter((part) => typeof part === 'number').reduce((sum, tokens) => sum + tokens, 0);
  return {
    text: texts.join('\n'),
    other: others + perCall + perMessage * (prompt.length + tools.length) + perPart * texts.length,
  };
};

type Message = LanguageModelV4Prompt[number];
type Content = Exclude<Message['content'], string>[number];

/** Texts as they are, everything else as a number of tokens. */
const partsOf = ({ content }: Message): readonly (string | number)[] =>
  typeof content === 'string' ? [content] : content.map(partOf);

const partOf = (part: Content): string | number => {
  switch (part.type) {
    case 'text':
    case 'reasoning':
      return part.text;
    case 'file':
    case 'reasoning-file':
      return part.data.type === 'text' ? part.data.text : fileTokens(part.mediaType, part.data);
    case 'tool-call':
      return `${part.toolName} ${JSON.stringify(part.input) ?? ''}`;
    case 'tool-result':
      return `${part.toolName} ${JSON.stringify(part.output)}`;
    case 'tool-approval-response':
    case 'custom':
      return JSON.stringify(part);
  }
};

const fileTokens = (mediaType: string, data: { readonly type: string; readonly data?: Uint8Array | string }): number =>
  mediaType.startsWith('image') || data.type !== 'data'
    ? perFile
    : Math.max(perFile, Math.ceil((data.data?.length ?? 0) / 3));
