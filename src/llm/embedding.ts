/**
 * What is behind `ctx.embedding`: the way of a model's call (route → cache → journal → permit → call → settle), with the
 * calls of one moment put together on the way out.
 */
import type { EmbeddingModelV4, EmbeddingModelV4CallOptions } from '@ai-sdk/provider';
import { optional } from '../kernel/optional.ts';
import type { Json } from '../task/record.ts';
import { answeredOr, asksAnew } from './cache.ts';
import { asV4, type Embedder, type Embeddings } from './embedding-entry.ts';
import type { EmbeddingRequest } from './embedding-call.ts';
import { type Embed, embeddingPool } from './embedding-pool.ts';
import { paid, recall, type Recorded } from './embedding-record.ts';
import { type ModelFailure, thrownFor } from './failure.ts';
import { journaled, type Place } from './journaled.ts';
import { callHash } from './key.ts';
import { patienceOf } from './patience.ts';
import { route } from './route.ts';
import { type AttemptScope, type CallPorts, defaultTimeoutMs, type ModelOptions } from './scope.ts';
import { toldBreaker } from './told-breaker.ts';
import { providerTransport } from './transport.ts';
import { failureAt, leftAlone } from './unanswered.ts';
import { noBill } from './usage.ts';

/** `undefined` for a name that the app does not have. */
export type EmbeddingOf = (name: string, scope: AttemptScope, options: ModelOptions) => EmbeddingModelV4 | undefined;

/** Where a provider does not say. */
const mostPerCall = 2_048;

export const embeddingsOf = async (all: CallPorts, embeddings: Embeddings): Promise<EmbeddingOf> => {
  const { ports, estimates } = all;
  const embed = embeddingPool(all);
  const named = new Map<string, readonly Embedder[]>();
  for (const [name, entries] of embeddings) {
    const embedders = entries.map(async ({ model: given, ...entry }): Promise<Embedder> => {
      const model = asV4(given);
      const most = Math.max(1, (await model.maxEmbeddingsPerCall) ?? mostPerCall);
      return {
        ...entry,
        model,
        most,
        breaker: toldBreaker(ports, name, { model }),
        transport: providerTransport(ports, { name, model }),
      };
    });
    named.set(name, await Promise.all(embedders));
  }
  await estimates.prepare([...named.values()].flatMap((list) => list.map(({ model }) => model)));

  return (name, scope, options) => {
    const embedders = named.get(name);
    const [first] = embedders ?? [];
    if (!embedders || !first) return undefined;
    const calling: Calling = { ...all, ...scope, options, name, embedders, embed };
    return {
      specificationVersion: 'v4',
      provider: first.model.provider,
      modelId: first.model.modelId,
      maxEmbeddingsPerCall: Math.min(...embedders.map(({ most }) => most)),
      supportsParallelCalls: true,
      doEmbed: (params) => call(calling, params),
    };
  };
};

interface Calling extends CallPorts, AttemptScope {
  readonly options: ModelOptions;
  readonly name: string;
  readonly embedders: readonly Embedder[];
  readonly embed: Embed;
}

const call = async (all: Calling, params: EmbeddingModelV4CallOptions) => {
  const { name, ports } = all;
  const { abortSignal, headers: _headers, ...settings } = params;
  const hash = callHash(`embedding ${name}`, { ...settings, prompt: [] });
  const make = ({ signal }: Place): Promise<Recorded> => cached(all, params, hash, signal);
  const { metrics } = ports;
  const { recorded } = await journaled(all, { metrics, name, step: stepOf(name), hash, abortSignal, make, recall });
  const { embeddings, tokens, providerMetadata, warnings } = recorded;
  return {
    ...optional({ providerMetadata, usage: tokens === undefined ? undefined : { tokens } }),
    embeddings,
    warnings,
  };
};

const stepOf = (model: string): string => `embedding:${model}`;

/** What another call has paid for costs this one nothing. */
const cached = async (
  all: Calling,
  params: EmbeddingModelV4CallOptions,
  key: string,
  signal: AbortSignal,
): Promise<Recorded> => {
  const { name: model, attempt, ports, cache } = all;
  const { cacheMs: ttlMs = all.embedders[0]?.cacheMs ?? false, maxWaitMs } = all.options;
  if (ttlMs === false || !cache) return firstOf(all, params, signal);
  const waitMs = patienceOf(ports, attempt.task, maxWaitMs).leftMs();
  const reuse = (value: Json): Recorded => ({ ...recall(value, stepOf(model)), billed: noBill });
  return answeredOr(cache, { model, key, ttlMs, anew: asksAnew(attempt), waitMs, signal }, reuse, () =>
    firstOf(all, params, signal),
  );
};

/** The embeddings of the first provider that gives them. */
const firstOf = async (all: Calling, params: EmbeddingModelV4CallOptions, signal: AbortSignal): Promise<Recorded> => {
  const { ports, permits, embedders, name } = all;
  const request = requestOf(all, params, signal);
  const failures: ModelFailure[] = [];
  const providers = route(embedders, permits, request.patience.leftMs());
  for (const provider of providers) {
    const entered = provider.breaker.enter();
    if (entered === undefined) continue;
    try {
      return paid(ports.metrics, name, provider, await all.embed(provider, request, entered));
    } catch (error) {
      const failure = failureAt(ports, { name, provider, entered, signal }, error); // The pool has blamed it.
      failures.push(failure);
      if (!failure.elsewhere) break;
    }
  }
  if (failures.length > 0) throw thrownFor(name, failures);
  throw leftAlone(ports, 'embedding model', name, providers);
};

const requestOf = (all: Calling, params: EmbeddingModelV4CallOptions, signal: AbortSignal): EmbeddingRequest => {
  const { values, abortSignal: _signal, ...settings } = params;
  const { ports, attempt } = all;
  const { maxWaitMs, timeoutMs = defaultTimeoutMs } = all.options;
  const { task } = attempt;
  const lane = task.route.lane;
  const tenant = task.tenant ?? '';
  return {
    values,
    settings,
    kind: callHash([lane, maxWaitMs, timeoutMs, tenant].join(' '), { ...settings, prompt: [] }),
    lane,
    task: task.recordKey,
    tenant,
    patience: patienceOf(ports, task, maxWaitMs),
    timeoutMs,
    signal,
  };
};
