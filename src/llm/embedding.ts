/**
 * What is behind `ctx.embedding`: the way of a model's call (route → cache → journal → permit → call → settle), with the
 * calls of one moment put together on the way out.
 */
import type { EmbeddingModelV4, EmbeddingModelV4CallOptions } from '@ai-sdk/provider';
import { optional } from '../kernel/optional.ts';
import { linked } from '../kernel/signal.ts';
import type { Attempt } from '../task/executor.ts';
import { throughJson } from '../task/json.ts';
import { breaker } from './breaker.ts';
import { asksAnew, type Cache } from './cache.ts';
import { asV4, type Embedder, type Embeddings } from './embedding-entry.ts';
import type { EmbeddingPorts, EmbeddingRequest } from './embedding-call.ts';
import { type Embed, embeddingPool } from './embedding-pool.ts';
import { paid, recall, type Recorded } from './embedding-record.ts';
import { failureOf, type ModelFailure, thrownFor } from './failure.ts';
import { callHash, type Equals } from './key.ts';
import type { ModelOptions } from './layer.ts';
import { nameOf, route } from './route.ts';
import { providerTransport } from './transport.ts';
import { leftAlone } from './unanswered.ts';
import { noBill } from './usage.ts';
import { patienceOf } from './waiting.ts';

export interface EmbeddingsOptions extends EmbeddingPorts {
  readonly embeddings: Embeddings;
  readonly cache?: Cache | undefined;
}

/** What the calls of one attempt share. */
export interface EmbeddingScope {
  readonly attempt: Pick<Attempt, 'task' | 'number' | 'journal' | 'signal' | 'emit'>;
  readonly equals: Equals;
}

/** `undefined` for a name that the app does not have. */
export type EmbeddingOf = (name: string, scope: EmbeddingScope, options: ModelOptions) => EmbeddingModelV4 | undefined;

/** Where a provider does not say. */
const mostPerCall = 2_048;
const defaultTimeoutMs = 600_000;

export const embeddingsOf = async (options: EmbeddingsOptions): Promise<EmbeddingOf> => {
  const { embeddings, ports } = options;
  const embed = embeddingPool(options);
  const named = new Map<string, readonly Embedder[]>();
  for (const [name, entries] of embeddings) {
    const embedders = entries.map(async ({ model: given, ...entry }): Promise<Embedder> => {
      const model = asV4(given);
      const most = Math.max(1, (await model.maxEmbeddingsPerCall) ?? mostPerCall);
      return {
        ...entry,
        model,
        most,
        breaker: breaker(ports.clock),
        transport: providerTransport(ports, { name, model }),
      };
    });
    named.set(name, await Promise.all(embedders));
  }
  await options.estimates.prepare([...named.values()].flatMap((list) => list.map(({ model }) => model)));

  return (name, scope, modelOptions) => {
    const embedders = named.get(name);
    const [first] = embedders ?? [];
    if (!embedders || !first) return undefined;
    const all: Calling = { ...options, ...scope, options: modelOptions, name, embedders, embed };
    return {
      specificationVersion: 'v4',
      provider: first.model.provider,
      modelId: first.model.modelId,
      maxEmbeddingsPerCall: Math.min(...embedders.map(({ most }) => most)),
      supportsParallelCalls: true,
      doEmbed: (params) => call(all, params),
    };
  };
};

interface Calling extends EmbeddingsOptions, EmbeddingScope {
  readonly options: ModelOptions;
  readonly name: string;
  readonly embedders: readonly Embedder[];
  readonly embed: Embed;
}

const call = async (all: Calling, params: EmbeddingModelV4CallOptions) => {
  const { name, attempt, ports } = all;
  const { abortSignal, headers: _headers, ...settings } = params;
  const hash = callHash(`embedding ${name}`, { ...settings, prompt: [] });
  const { key, release } = all.equals.take(hash);
  const step = `embedding:${name}`;
  const life = linked(attempt.signal, abortSignal);
  try {
    const run = (): Promise<Recorded> => cached(all, params, hash, life.signal);
    const stepped = await attempt.journal.step(step, key, run, (value) => recall(value, step).billed);
    const { value, replayed, ms } = stepped;
    if (replayed) ports.metrics.modelReplays.labels(name).inc();
    attempt.emit({ type: 'step', name: step, key, ms, replayed });
    const { embeddings, tokens, providerMetadata, warnings } = recall(value, step);
    return {
      ...optional({ providerMetadata, usage: tokens === undefined ? undefined : { tokens } }),
      embeddings,
      warnings,
    };
  } catch (error) {
    release();
    throw error;
  } finally {
    life.abort();
  }
};

/** What another call has paid for costs this one nothing. */
const cached = async (
  all: Calling,
  params: EmbeddingModelV4CallOptions,
  key: string,
  signal: AbortSignal,
): Promise<Recorded> => {
  const { cacheMs = all.embedders[0]?.cacheMs ?? false } = all.options;
  if (cacheMs === false || !all.cache) return firstOf(all, params, signal);
  const anew = asksAnew(all.attempt);
  const waitMs = patienceOf(all.ports, all.attempt.task, all.options.maxWaitMs).leftMs();
  const found = await all.cache.find({ model: all.name, key, ttlMs: cacheMs, anew, waitMs, signal });
  if (found.type === 'hit') return { ...recall(found.value, `embedding:${all.name}`), billed: noBill };
  try {
    const answer = await firstOf(all, params, signal);
    found.keep(throughJson(answer, `the embeddings of "${all.name}"`) ?? null);
    return answer;
  } catch (error) {
    found.drop();
    throw error;
  }
};

/** The embeddings of the first provider that gives them. */
const firstOf = async (all: Calling, params: EmbeddingModelV4CallOptions, signal: AbortSignal): Promise<Recorded> => {
  const { ports, permits, embedders, name } = all;
  const request = requestOf(all, params, signal);
  const failures: ModelFailure[] = [];
  const providers = route(embedders, permits, request.patience.leftMs());
  for (const embedder of providers) {
    const entered = embedder.breaker.enter();
    if (entered === undefined) continue;
    try {
      return paid(ports.metrics, name, embedder, await all.embed(embedder, request, entered));
    } catch (error) {
      const failure = failed(all, embedder, error, signal);
      if (signal.aborted) {
        embedder.breaker.failed([entered], false); // It may have been the probe, which is for another now.
        throw signal.reason;
      }
      failures.push(failure);
      if (!failure.elsewhere) break;
    }
  }
  if (failures.length > 0) throw thrownFor(name, failures);
  throw leftAlone(ports.metrics, 'embedding model', name, providers);
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

const failed = (all: Calling, embedder: Embedder, error: unknown, signal: AbortSignal): ModelFailure => {
  const { ports, name } = all;
  const failure = failureOf(error, ports.queue.now());
  const own = signal.aborted;
  ports.metrics.modelCalls.labels(name, own ? 'aborted' : 'failed').inc();
  if (own) return failure;
  ports.metrics.modelErrors.labels(name, failure.reason).inc();
  const by = nameOf(embedder);
  ports.log.debug({ err: error, model: name, by, reason: failure.reason }, 'a call of an embedding model failed');
  return failure;
};
