/**
 * One call of a model, from the handler to the provider and back: route → cache → journal → permit → call → settle. The
 * journal is asked first of all, for a call that is recorded needs nothing else.
 */
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider';
import { linked } from '../kernel/signal.ts';
import type { Underway } from '../task/journal.ts';
import { throughJson } from '../task/json.ts';
import { asksAnew } from './cache.ts';
import { type Answer, answerOf, type Recorded, recall } from './content.ts';
import { failureOf, type ModelFailure, thrownFor } from './failure.ts';
import { callHash } from './key.ts';
import { paid } from './paid.ts';
import type { Passage } from './passage.ts';
import { nameOf, type Provider, route } from './route.ts';
import type { Call, CallPorts, CallScope } from './scope.ts';
import { blame, leftAlone } from './unanswered.ts';
import { noBill } from './usage.ts';
import { patienceOf } from './waiting.ts';

/** The call's answer, once it is recorded. Throws what `thrownFor` says, `FencedError`, and the signals' reasons. */
export const call = async (
  all: CallPorts,
  scope: CallScope,
  params: LanguageModelV4CallOptions,
  passage?: Passage,
): Promise<Answer & ReturnType<typeof answerOf>> => {
  const { attempt, name } = scope;
  const { metrics } = all.ports;
  const hash = callHash(name, params);
  const { key, release } = scope.equals.take(hash);
  const life = linked(attempt.signal, params.abortSignal);
  const one: Call = {
    all,
    scope,
    params,
    hash,
    key,
    signal: life.signal,
    patience: patienceOf(all.ports, attempt.task, scope.maxWaitMs),
    passage,
  };
  const step = `model:${name}`;
  try {
    const run = (underway: Underway): Promise<Recorded> => cached(one, underway);
    const stepped = await attempt.journal.step(step, key, run, (value) => recall(value, step).billed);
    const { value, replayed, ms } = stepped;
    if (replayed) metrics.modelReplays.labels(name).inc();
    attempt.emit({ type: 'step', name: step, key, ms, replayed });
    const answer = answerOf(recall(value, step));
    scope.answered(answer.response.id, key);
    return answer;
  } catch (error) {
    release();
    scope.failed(error);
    throw error;
  } finally {
    life.abort();
  }
};

/** What another call has paid for costs this one nothing. */
const cached = async (one: Call, underway: Underway): Promise<Recorded> => {
  const { all, scope, hash: key, signal, patience: waiting } = one;
  const { name: model } = scope;
  const providers = route(scope.providers, all.permits, waiting.leftMs());
  const ttlMs = scope.cacheMs ?? providers[0]?.cacheMs ?? false;
  if (ttlMs === false || !all.cache) return firstOf(one, providers, underway);
  const anew = asksAnew(scope.attempt);
  const found = await all.cache.find({ model, key, ttlMs, anew, waitMs: waiting.leftMs(), signal });
  if (found.type === 'hit') {
    const { number: attempt } = scope.attempt;
    return { ...recall(found.value, `model:${model}`), attempt, waitedMs: 0, billed: noBill };
  }
  try {
    // To wait for another's answer was no wait for a permit: that begins now.
    const answer = await firstOf(
      { ...one, patience: patienceOf(all.ports, scope.attempt.task, scope.maxWaitMs) },
      providers,
      underway,
    );
    found.keep(throughJson(answer, `the answer of model "${model}"`) ?? null);
    return answer;
  } catch (error) {
    found.drop();
    throw error;
  }
};

/** The answer of the first provider that gives one. */
const firstOf = async (one: Call, providers: readonly Provider[], underway: Underway): Promise<Recorded> => {
  const { scope, signal, passage } = one;
  const failures: ModelFailure[] = [];
  tellInterrupted(one, underway);
  for (const provider of providers) {
    const { breaker } = provider;
    const entered = breaker.enter();
    if (entered === undefined) continue;
    try {
      const answer = await paid(one, provider, underway);
      breaker.succeeded();
      return answer;
    } catch (error) {
      const failure = failed(one, provider, entered, error);
      if (signal.aborted) throw signal.reason;
      failures.push(failure);
      // What has been shown cannot be taken back: from there on only another attempt helps.
      if (!failure.elsewhere || passage?.shown()) break;
    }
  }
  if (failures.length > 0) throw thrownFor(scope.name, failures);
  throw leftAlone(one.all.ports.metrics, 'model', scope.name, providers);
};

/** The process that made the call is gone, and whether its provider ended it nobody knows: its log will tell. */
const tellInterrupted = ({ all: { ports }, scope, key }: Call, { interrupted }: Underway): void => {
  if (!interrupted) return;
  const { recordKey } = scope.attempt.task;
  ports.metrics.modelCalls.labels(scope.name, 'repeated').inc();
  ports.log.warn(
    { task: recordKey, model: scope.name, key, requestId: interrupted.requestId },
    'a call was interrupted before its answer was recorded; it is made again under the same idempotency key',
  );
};

const failed = (one: Call, provider: Provider, entered: number, error: unknown): ModelFailure => {
  const { all, scope, signal } = one;
  const { metrics, queue, log } = all.ports;
  const failure = failureOf(error, queue.now());
  metrics.modelCalls.labels(scope.name, signal.aborted ? 'aborted' : 'failed').inc();
  if (signal.aborted) {
    provider.breaker.failed([entered], false); // It may have been the probe, which is for another now.
    return failure;
  }
  blame(all.permits, provider, [entered], failure);
  metrics.modelErrors.labels(scope.name, failure.reason).inc();
  const by = nameOf(provider);
  log.debug({ err: error, model: scope.name, by, reason: failure.reason }, 'a call of a model failed');
  return failure;
};
