/** `ctx.model` and `ctx.permit`: the app's names and durations, for the layer that does it. */
import { toMs } from '../kernel/duration.ts';
import { NonRetryableError } from '../kernel/errors.ts';
import type { AttemptModels } from '../llm/layer.ts';
import type { BaseCtx } from './context-types.ts';
import type { ResolvedApp } from './resolved.ts';
import { didYouMean } from './suggest.ts';

export const modelsOf = (
  { models, budgets }: Pick<ResolvedApp, 'models' | 'budgets'>,
  of: AttemptModels,
): Pick<BaseCtx, 'model' | 'permit'> => ({
  model: (name, { cache, maxWait, timeout } = {}) => {
    const model = of.model(name, {
      cacheMs: cache === undefined || cache === false ? cache : toMs(cache, `cache of model "${name}"`, { minMs: 1 }),
      maxWaitMs: ms(maxWait, `maxWait of model "${name}"`),
      timeoutMs: ms(timeout, `timeout of model "${name}"`),
    });
    if (model) return model;
    throw unknown('model', name, models);
  },
  permit: async (budget, call, { tokens, maxWait } = {}) => {
    if (!budgets.has(budget)) throw unknown('budget', budget, budgets);
    return of.permit(budget, call, { tokens, maxWaitMs: ms(maxWait, `maxWait of a permit of "${budget}"`) });
  },
});

const ms = (duration: unknown, what: string): number | undefined =>
  duration === undefined ? undefined : toMs(duration, what, { minMs: 1 });

const unknown = (what: 'model' | 'budget', name: unknown, known: ReadonlyMap<string, unknown>): NonRetryableError => {
  const shown = String(name).slice(0, 80);
  const there = known.size === 0 ? `; the app has none: give it \`${what}s\`` : didYouMean(shown, known.keys());
  return new NonRetryableError(`there is no ${what} "${shown}"${there}`);
};
