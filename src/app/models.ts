/** `ctx.model` and `ctx.permit`: the app's names and durations, for the layer that does it. */
import { toMs } from '../kernel/duration.ts';
import { NonRetryableError } from '../kernel/errors.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { AttemptModels } from '../llm/layer.ts';
import type { ModelOptions } from '../llm/scope.ts';
import type { BaseCtx, CallOptions } from './context-types.ts';
import type { ResolvedApp } from './resolved.ts';
import { didYouMean } from './suggest.ts';

export const modelsOf = (
  { models, embeddings, budgets }: Pick<ResolvedApp, 'models' | 'embeddings' | 'budgets'>,
  of: AttemptModels,
  { modelErrors, limiterRefused }: Pick<Metrics, 'modelErrors' | 'limiterRefused'>,
): Pick<BaseCtx, 'model' | 'embedding' | 'permit'> => ({
  model: (name, options) => {
    const model = of.model(name, inMs(`model "${name}"`, options));
    if (model) return model;
    modelErrors.labels('unknown', 'unknown_model').inc();
    throw unknown('model', name, models);
  },
  embedding: (name, options) => {
    const model = of.embedding(name, inMs(`embedding "${name}"`, options));
    if (model) return model;
    modelErrors.labels('unknown', 'unknown_model').inc();
    throw unknown('embedding', name, embeddings);
  },
  permit: async (budget, call, { tokens, maxWait } = {}) => {
    if (!budgets.has(budget)) {
      limiterRefused.labels('unknown', 'unknown_budget').inc();
      throw unknown('budget', budget, budgets);
    }
    return of.permit(budget, call, { tokens, maxWaitMs: ms(maxWait, `maxWait of a permit of "${budget}"`) });
  },
});

const inMs = (what: string, { cache, maxWait, timeout }: CallOptions = {}): ModelOptions => ({
  cacheMs: cache === undefined || cache === false ? cache : toMs(cache, `cache of ${what}`, { minMs: 1 }),
  maxWaitMs: ms(maxWait, `maxWait of ${what}`),
  timeoutMs: ms(timeout, `timeout of ${what}`),
});

const ms = (duration: unknown, what: string): number | undefined =>
  duration === undefined ? undefined : toMs(duration, what, { minMs: 1 });

const unknown = (
  what: 'model' | 'embedding' | 'budget',
  name: unknown,
  known: ReadonlyMap<string, unknown>,
): NonRetryableError => {
  const shown = String(name).slice(0, 80);
  const there = known.size === 0 ? `; the app has none: give it \`${what}s\`` : didYouMean(shown, known.keys());
  return new NonRetryableError(`there is no ${what} "${shown}"${there}`);
};
