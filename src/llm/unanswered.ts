/** What follows where a provider does not answer, of a model or of embeddings. */
import { ModelUnavailableError } from '../kernel/errors.ts';
import type { Permits } from '../limiter/permits.ts';
import type { Embedder } from './embedding-entry.ts';
import { failureOf, type ModelFailure, told } from './failure.ts';
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
    provider.breaker.failed([entered]); // It may have been the probe, which is for another now.
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
  { ill, reason, retryAfterMs, cause }: ModelFailure,
): void => {
  provider.breaker.failed(calls, ill ? { cause } : undefined);
  if (reason !== 'busy' || retryAfterMs === undefined) return;
  for (const budget of provider.budgets) permits.penalize(budget, retryAfterMs, `${nameOf(provider)} is busy`);
};

/** For a call that none of them was asked to answer. Its text is kept in the task's record, so it tells a moment. */
export const leftAlone = (
  { metrics, queue }: Pick<CallPorts['ports'], 'metrics' | 'queue'>,
  what: 'model' | 'embedding model',
  name: string,
  providers: readonly (Provider | Embedder)[],
): ModelUnavailableError => {
  metrics.modelErrors.labels(name, 'broken').inc();
  const retryAfterMs = Math.ceil(Math.min(...providers.map(({ breaker }) => breaker.waitMs())));
  const again = new Date(queue.now() + retryAfterMs).toISOString();
  const ills = providers.flatMap((provider) => {
    const illness = provider.breaker.illness();
    return illness ? [{ ...illness, text: `${nameOf(provider)}: ${told(illness.cause)}` }] : [];
  });
  const errors = ills.map(({ text }) => text).join('; ');
  const message = `${what} "${name}": its providers have failed too often and are left alone until ${again}; ${errors}`;
  return new ModelUnavailableError(message, { retryAfterMs, untried: true, cause: ills.at(-1)?.cause });
};
