/** An app's embedding models, checked and complete. */
import type { EmbeddingModelV2, EmbeddingModelV3, EmbeddingModelV4 } from '@ai-sdk/provider';
import type { Breaker } from './breaker.ts';
import type { ModelEntry } from './models.ts';
import type { Transport } from './transport.ts';

/** A provider's embedding model as the AI SDK's packages make it. */
export type ProviderEmbedding = EmbeddingModelV2<string> | EmbeddingModelV3 | EmbeddingModelV4;

/** One way to reach an embedding model. */
export interface EmbeddingEntry extends Omit<ModelEntry, 'model'> {
  readonly model: ProviderEmbedding;
}

/** By name; each with at least one entry, in order of preference. */
export type Embeddings = ReadonlyMap<string, readonly EmbeddingEntry[]>;

/** An entry that may be asked. */
export interface Embedder extends Omit<EmbeddingEntry, 'model'> {
  readonly model: EmbeddingModelV4;
  /** Values in one call of the provider. */
  readonly most: number;
  readonly breaker: Breaker;
  readonly transport: Transport;
}

/** Older specifications differ in the names of their types, and the oldest in that it does not warn. */
export const asV4 = (model: ProviderEmbedding): EmbeddingModelV4 => {
  if (model.specificationVersion === 'v4') return model;
  const { provider, modelId, maxEmbeddingsPerCall, supportsParallelCalls } = model;
  const older = model as unknown as Pick<EmbeddingModelV4, 'doEmbed'>;
  return {
    specificationVersion: 'v4',
    provider,
    modelId,
    maxEmbeddingsPerCall,
    supportsParallelCalls,
    doEmbed: async (call) => Object.assign({ warnings: [] }, await older.doEmbed(call)),
  };
};
