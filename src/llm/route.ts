/** Which of a model's providers to ask first: those that would answer in time, then those with room, then as listed. */
import type { LanguageModelV4 } from '@ai-sdk/provider';
import type { Permits } from '../limiter/permits.ts';
import type { Breaker } from './breaker.ts';
import type { ModelEntry } from './models.ts';
import type { Transport } from './transport.ts';

/** A provider's model that may be asked. */
export interface Provider extends Pick<ModelEntry, 'budgets' | 'price' | 'cacheMs'> {
  readonly model: LanguageModelV4;
  readonly breaker: Breaker;
  readonly transport: Transport;
}

export const nameOf = ({ model }: { readonly model: Pick<LanguageModelV4, 'provider' | 'modelId'> }): string =>
  `${model.provider}/${model.modelId}`;

/** Waits that differ by less are one: the order in the config decides. */
const grainMs = 250;

export const route = <P extends Pick<Provider, 'budgets' | 'breaker'>>(
  providers: readonly P[],
  permits: Pick<Permits, 'waitMs'>,
  leftMs: number,
): readonly P[] =>
  providers
    .map((provider, index) => ({ provider, index, waitMs: waitOf(provider, permits) }))
    .toSorted(
      (a, b) =>
        Number(a.waitMs > leftMs) - Number(b.waitMs > leftMs) || rank(a.waitMs) - rank(b.waitMs) || a.index - b.index,
    )
    .map(({ provider }) => provider);

const rank = (waitMs: number): number => Math.floor(waitMs / grainMs);

/** All its budgets must have room; what its breaker keeps out comes last. */
const waitOf = (
  { budgets, breaker }: Pick<Provider, 'budgets' | 'breaker'>,
  permits: Pick<Permits, 'waitMs'>,
): number => Math.max(breaker.waitMs(), ...budgets.map((budget) => permits.waitMs(budget)));
