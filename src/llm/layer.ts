/** The models of an app, for its tasks: what is behind `ctx.model` and `ctx.permit`. */
import type { EmbeddingModelV4, LanguageModelV4 } from '@ai-sdk/provider';
import { NonRetryableError } from '../kernel/errors.ts';
import { linked } from '../kernel/signal.ts';
import { type Amount, amountOf } from '../limiter/budget.ts';
import type { Permits } from '../limiter/permits.ts';
import type { TaskPorts } from '../task/ports.ts';
import type { Cache } from './cache.ts';
import { call } from './call.ts';
import { type EmbeddingOf, embeddingsOf } from './embedding.ts';
import type { Embeddings } from './embedding-entry.ts';
import { estimator } from './estimate.ts';
import { equals } from './key.ts';
import type { ModelEntry, Models } from './models.ts';
import { passage } from './passage.ts';
import { permitted } from './permission.ts';
import type { Provider } from './route.ts';
import { type AttemptScope, type CallPorts, type CallScope, defaultTimeoutMs, type ModelOptions } from './scope.ts';
import { toldBreaker } from './told-breaker.ts';
import { anyTransport, providerTransport } from './transport.ts';
import { count } from './usage.ts';
import { patienceOf } from './patience.ts';

export interface LayerOptions {
  readonly models: Models;
  /** None. */
  readonly embeddings?: Embeddings;
  readonly permits: Permits;
  readonly ports: Pick<TaskPorts, 'clock' | 'log' | 'metrics' | 'queue'>;
  /** None: every call is made. */
  readonly cache?: Cache;
}

export interface PermitOptions {
  readonly tokens?: number | undefined;
  readonly maxWaitMs?: number | undefined;
}

/** What one attempt does with models. */
export interface AttemptModels {
  /** `undefined` for a name that the app does not have. */
  model(name: string, options: ModelOptions): LanguageModelV4 | undefined;
  /** Likewise. */
  embedding(name: string, options: ModelOptions): EmbeddingModelV4 | undefined;
  permit<T>(budget: string, call: () => Promise<T>, options: PermitOptions): Promise<T>;
  /** What is behind an error of the AI SDK that says no more than that a stream has failed; else the error itself. */
  cause(error: unknown): unknown;
  /** The steps whose recorded answers an error of the AI SDK blames: to be made anew by the next attempt. */
  blamed(error: unknown): readonly string[];
}

export interface ModelLayer {
  of(attempt: AttemptScope['attempt']): AttemptModels;
}

/** Loads the AI SDK and the tokenizers that the models need; without models, neither. */
export const modelLayer = async (options: LayerOptions): Promise<ModelLayer> => {
  const { models, embeddings = new Map(), permits, ports, cache } = options;
  const estimates = estimator(ports);
  const all: CallPorts = { ports, permits, estimates, cache };
  const embeddingOf = await embeddingsOf(all, embeddings);
  const behind = { ...options, embeddingOf };
  if (models.size === 0) return { of: (attempt) => attemptModels(behind, attempt, () => undefined) };
  const { wrapLanguageModel } = await import('ai');

  const providerOf = (name: string, { model, ...entry }: ModelEntry): Provider => ({
    ...entry,
    model: wrapLanguageModel({ model, middleware: [] }), // Older specifications become v4.
    breaker: toldBreaker(ports, name, { model }),
    transport: providerTransport(ports, { name, model }),
  });
  const providers = new Map(
    [...models].map(([name, entries]) => [name, entries.map((entry) => providerOf(name, entry))]),
  );
  await estimates.prepare([...providers.values()].flatMap((list) => list.map(({ model }) => model)));

  const modelOf = (scope: CallScope): LanguageModelV4 | undefined => {
    const [first, second] = scope.providers;
    if (!first) return undefined;
    return wrapLanguageModel({
      model: first.model,
      middleware: {
        specificationVersion: 'v4',
        // What one provider fetches by itself, another may not: where there are several, the AI SDK fetches it.
        ...(second && { overrideSupportedUrls: () => ({}) }),
        wrapGenerate: ({ params }) => call(all, scope, params),
        wrapStream: ({ params }) => streamed(all, scope, params),
      },
    });
  };
  return {
    of: (attempt) =>
      attemptModels(behind, attempt, (name, scope) => {
        const listed = providers.get(name);
        return listed && modelOf({ ...scope, name, providers: listed });
      }),
  };
};

/** Reads what comes while it comes; its last part follows when the whole is recorded. */
const streamed = async (all: CallPorts, scope: CallScope, params: Parameters<typeof call>[2]) => {
  const life = linked(params.abortSignal);
  const through = passage((reason) => life.abort(reason));
  // Whoever reads the stream is told how it ends.
  void call(all, scope, { ...params, abortSignal: life.signal }, through)
    .then(through.finish)
    .catch(through.fail)
    .finally(() => life.abort()); // Lets go of the caller's signal.
  await through.opened;
  return { stream: through.readable };
};

interface Behind extends Pick<LayerOptions, 'permits' | 'ports'> {
  readonly embeddingOf: EmbeddingOf;
}

const attemptModels = (
  { permits, ports, embeddingOf }: Behind,
  attempt: AttemptScope['attempt'],
  modelOf: (name: string, scope: Omit<CallScope, 'name' | 'providers'>) => LanguageModelV4 | undefined,
): AttemptModels => {
  const same = equals();
  let answers: Map<string, string> | undefined;
  let failure: { readonly error: unknown } | undefined;
  return {
    model: (name, { cacheMs, maxWaitMs, timeoutMs = defaultTimeoutMs }) =>
      modelOf(name, {
        attempt,
        equals: same,
        cacheMs,
        maxWaitMs,
        timeoutMs,
        answered: (responseId, key) => {
          answers = (answers ?? new Map<string, string>()).set(responseId, `model:${name}:${key}`);
        },
        failed: (error) => {
          failure = { error };
        },
      }),
    embedding: (name, embedding) => embeddingOf(name, { attempt, equals: same }, embedding),
    permit: (budget, made, { tokens = 0, maxWaitMs }) => {
      const { task, signal } = attempt;
      const request = {
        budgets: [budget],
        clock: ports.clock,
        amount: amountOfTokens(ports, budget, tokens),
        lane: task.route.lane,
        tenant: task.tenant ?? '',
        holdMs: defaultTimeoutMs,
        tasks: [task.recordKey],
        signal,
        patience: patienceOf(ports, task, maxWaitMs),
      };
      return permitted(permits, anyTransport, request, made, () => undefined);
    },
    cause: (error) =>
      failure && error instanceof Error && error.name === 'AI_NoOutputGeneratedError' ? failure.error : error,
    blamed: (error) => responsesOf(error).flatMap((id) => answers?.get(id) ?? []),
  };
};

/** Which way they go is not known: they count as tokens, and as input. */
const amountOfTokens = ({ metrics }: LayerOptions['ports'], budget: string, tokens: number): Amount => {
  if (count(tokens) === undefined) {
    metrics.limiterRefused.labels(budget, 'not_an_amount').inc();
    throw new NonRetryableError(`the tokens of a permit are ${tokens}; it takes a number from 0 to 1,000,000,000`);
  }
  return amountOf(tokens, 0);
};

const deepest = 8;

/** Of `NoObjectGeneratedError`, whichever copy of the AI SDK threw it, and whatever it was wrapped in. */
const responsesOf = (error: unknown, depth = 0): readonly string[] => {
  if (!(error instanceof Error) || depth > deepest) return [];
  const inner = responsesOf(error.cause, depth + 1);
  if (error.name !== 'AI_NoObjectGeneratedError' || !('response' in error)) return inner;
  const { response } = error;
  return typeof response === 'object' && response !== null && 'id' in response && typeof response.id === 'string'
    ? [response.id, ...inner]
    : inner;
};
