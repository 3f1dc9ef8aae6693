/**
 * One call of a model, from the handler to the provider and back: route → cache → journal → permit → call → settle. The
 * journal is asked first of all, for a call that is recorded needs nothing else.
 */
import type { LanguageModelV4CallOptions } from '@ai-sdk/provider';
import type { Underway } from '../task/journal.ts';
import type { Json } from '../task/record.ts';
import { answeredOr, asksAnew } from './cache.ts';
import { type Answer, answerOf, type Recorded, recall } from './content.ts';
import { type ModelFailure, thrownFor } from './failure.ts';
import { journaled, type Place } from './journaled.ts';
import { callHash } from './key.ts';
import { paid } from './paid.ts';
import type { Passage } from './passage.ts';
import { patienceOf } from './patience.ts';
import { type Provider, route } from './route.ts';
import type { Call, CallPorts, CallScope } from './scope.ts';
import { blame, failureAt, leftAlone } from './unanswered.ts';
import { noBill } from './usage.ts';

/** The call's answer, once it is recorded. Throws what `thrownFor` says, `FencedError`, and the signals' reasons. */
export const call = async (
  all: CallPorts,
  scope: CallScope,
  params: LanguageModelV4CallOptions,
  passage?: Passage,
): Promise<Answer & ReturnType<typeof answerOf>> => {
  const { attempt, name } = scope;
  const hash = callHash(name, params);
  const patience = patienceOf(all.ports, attempt.task, scope.maxWaitMs);
  const make = ({ key, signal, underway }: Place): Promise<Recorded> =>
    cached({ all, scope, params, hash, key, signal, patience, passage }, underway);
  const { metrics } = all.ports;
  const { abortSignal } = params;
  try {
    const { recorded, key } = await journaled(scope, {
      metrics,
      name,
      step: stepOf(name),
      hash,
      abortSignal,
      make,
      recall,
    });
    const answer = answerOf(recorded);
    scope.answered(answer.response.id, key);
    return answer;
  } catch (error) {
    scope.failed(error);
    throw error;
  }
};

const stepOf = (model: string): string => `model:${model}`;

/** What another call has paid for costs this one nothing. */
const cached = async (one: Call, underway: Underway): Promise<Recorded> => {
  const { all, scope, hash: key, signal, patience } = one;
  const { name: model, attempt } = scope;
  const providers = route(scope.providers, all.permits, patience.leftMs());
  const ttlMs = scope.cacheMs ?? providers[0]?.cacheMs ?? false;
  if (ttlMs === false || !all.cache) return firstOf(one, providers, underway);
  const asked = { model, key, ttlMs, anew: asksAnew(attempt), waitMs: patience.leftMs(), signal };
  const reuse = (value: Json): Recorded => ({
    ...recall(value, stepOf(model)),
    attempt: attempt.number,
    waitedMs: 0,
    billed: noBill,
  });
  return answeredOr(all.cache, asked, reuse, () => {
    // To wait for another's answer was no wait for a permit: that begins now.
    const anew = patienceOf(all.ports, attempt.task, scope.maxWaitMs);
    return firstOf({ ...one, patience: anew }, providers, underway);
  });
};

/** The answer of the first provider that gives one. */
const firstOf = async (one: Call, providers: readonly Provider[], underway: Underway): Promise<Recorded> => {
  const { all, scope, signal, passage } = one;
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
      const failure = failureAt(all.ports, { name: scope.name, provider, entered, signal }, error);
      blame(all.permits, provider, [entered], failure);
      failures.push(failure);
      // What has been shown cannot be taken back: from there on only another attempt helps.
      if (!failure.elsewhere || passage?.shown()) break;
    }
  }
  if (failures.length > 0) throw thrownFor(scope.name, failures);
  throw leftAlone(all.ports, 'model', scope.name, providers);
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
