/** An app's models, checked and complete. */
import type { LanguageModelV2, LanguageModelV3, LanguageModelV4 } from '@ai-sdk/provider';

/** A provider's model as the AI SDK's packages make it. */
export type ProviderModel = LanguageModelV2 | LanguageModelV3 | LanguageModelV4;

/** $ per 1,000,000 tokens. */
export interface Price {
  readonly input: number;
  readonly output: number;
  readonly cachedInput: number;
}

/** One way to reach a model: who provides it, and what that may use. */
export interface ModelEntry {
  readonly model: ProviderModel;
  /** All of them must have room. */
  readonly budgets: readonly string[];
  readonly price: Price | undefined;
  /** How long an answer may be given again to an equal call, in ms; `undefined`: never. */
  readonly cacheMs: number | undefined;
}

/** By name; each with at least one entry, in order of preference. */
export type Models = ReadonlyMap<string, readonly ModelEntry[]>;
