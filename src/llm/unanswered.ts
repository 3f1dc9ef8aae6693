/** What follows where a provider does not answer, of a model or of embeddings. */
import { ModelUnavailableError } from '../kernel/errors.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Permits } from '../limiter/permits.ts';
import type { Embedder } from './embedding-entry.ts';
import { failureOf, type ModelFailure } from './failure.ts';
import { nameOf, type Provider } from './route.ts';
import type { CallPorts } from './scope.ts';

/** A call that has been asked of a provider. */
export interface AskedCall {
  /** The app's name for the model. */
  readonly name: string;
  readonly provider: Provider | Embedder;
  /** Its number at the breaker. */
  readonly entered: number;
  readonly signal: AbortSignal;
}

/** What its error means for the call; counted and logged. Throws the signal's reason where that is what has ended it. */
export const failureAt = (
  { metrics, queue, log }: CallPorts['ports'],
  { name, provider, entered, signal }: AskedCall,
  error: unknown,
): ModelFailure => {
  metrics.modelCalls.labels(name, signal.aborted ? 'aborted' : 'failed').inc();
  if (signal.aborted) {
    provider.breaker.failed([entered], false); // It may have been the probe, which is for another now.
    throw signal.reason;
  }
  const failure = failureOf(error, queue.now());
  metrics.modelErrors.labels(name, failure.reason).inc();
  log.debug({ err: error, model: name, by: nameOf(provider), reason: failure.reason }, 'a provider did not answer');
  return failure;
};

/** What its failure means for the provider: once, for all the calls that entered with these numbers. */
export const blame = (
  permits: Pick<Permits, 'penalize'>,
  provider: Provider | Embedder,
  calls: readonly number[],
  { ill, reason, retryAfterMs }: ModelFailure,
): void => {
  provider.breaker.failed(calls, ill);
  if (reason !== 'busy' || retryAfterMs === undefined) return;
  for (const budget of provider.budgets) permits.penalize(budget, retryAfterMs, `${nameOf(provider)} is busy`);
};

/** For a call that none of them was asked to answer. */
export const leftAlone = (
  { modelErrors }: Pick<Metrics, 'modelErrors'>,
  what: 'model' | 'embedding model',
  name: string,
  providers: readonly (Provider | Embedder)[],
): ModelUnavailableError => {
  modelErrors.labels(name, 'broken').inc();
  const retryAfterMs = Math.min(...providers.map(({ breaker }) => breaker.waitMs()));
  const message = `${what} "${name}": its providers have failed too often; they are tried again in ${retryAfterMs} ms`;
  return new ModelUnavailableError(message, { retryAfterMs, untried: true });
};
