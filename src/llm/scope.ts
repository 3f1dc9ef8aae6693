/** What a call of a model is made with. */
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider';
import type { Permits } from '../limiter/permits.ts';
import type { Attempt } from '../task/executor.ts';
import type { TaskPorts } from '../task/ports.ts';
import type { Cache } from './cache.ts';
import type { Estimator } from './estimate.ts';
import type { Equals } from './key.ts';
import type { Passage } from './passage.ts';
import type { Provider } from './route.ts';
import type { Patience } from './patience.ts';

/** What all calls of a process share. */
export interface CallPorts {
  readonly ports: Pick<TaskPorts, 'clock' | 'log' | 'metrics' | 'queue'>;
  readonly permits: Permits;
  readonly estimates: Estimator;
  readonly cache: Cache | undefined;
}

/** How calls are made, by whoever asks for a model. Durations in ms. */
export interface ModelOptions {
  /** `undefined`: as the model's entry says. */
  readonly cacheMs?: number | false | undefined;
  readonly maxWaitMs?: number | undefined;
  readonly timeoutMs?: number | undefined;
}

/** How long a provider's call may take where nobody says. */
export const defaultTimeoutMs = 600_000;

/** What all calls of one attempt share, of models and of embeddings. */
export interface AttemptScope {
  readonly attempt: Pick<Attempt, 'task' | 'number' | 'journal' | 'signal' | 'emit'>;
  readonly equals: Equals;
}

/** What all calls of one of its models share. */
export interface CallScope extends AttemptScope {
  readonly name: string;
  readonly providers: readonly Provider[];
  /** Of the call's options; `undefined`: the model's own. */
  readonly cacheMs: number | false | undefined;
  readonly maxWaitMs: number | undefined;
  /** Of one provider's call. */
  readonly timeoutMs: number;
  /** A recorded answer has come back: by what the AI SDK calls its response. */
  answered(responseId: string, key: string): void;
  failed(error: unknown): void;
}

export interface Call {
  readonly all: CallPorts;
  readonly scope: CallScope;
  readonly params: LanguageModelV4CallOptions;
  readonly hash: string;
  readonly key: string;
  /** The task's and the call's own. */
  readonly signal: AbortSignal;
  readonly patience: Patience;
  /** Where the parts of a stream go. */
  readonly passage: Passage | undefined;
}
