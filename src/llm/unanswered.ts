/** What follows where a provider does not answer, of a model or of embeddings. */
import { ModelUnavailableError } from '../kernel/errors.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Permits } from '../limiter/permits.ts';
import type { Embedder } from './embedding-entry.ts';
import type { ModelFailure } from './failure.ts';
import { nameOf, type Provider } from './route.ts';

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
