/** Embeddings as the journal keeps them. */
import type { SharedV4ProviderMetadata, SharedV4Warning } from '@ai-sdk/provider';
import { z } from 'zod';
import { NonRetryableError } from '../kernel/errors.ts';
import type { Metrics } from '../kernel/metrics.ts';
import { optional } from '../kernel/optional.ts';
import { asJson } from './as-json.ts';
import type { Embedded } from './embedding-call.ts';
import type { Embedder } from './embedding-entry.ts';
import { nameOf } from './route.ts';
import { bill, countPaid } from './usage.ts';

const recorded = z.object({
  /** `<provider>/<model>`. */
  by: z.string(),
  embeddings: z.array(z.array(z.number())),
  tokens: z.number().exactOptional(),
  providerMetadata: z.custom<SharedV4ProviderMetadata>().exactOptional(),
  warnings: z.array(z.custom<SharedV4Warning>()),
  billed: z.object({ inputTokens: z.number(), outputTokens: z.number(), usd: z.number() }),
});
/** What it says beside the embeddings. */
const additions = recorded.pick({ providerMetadata: true, warnings: true });
export type Recorded = z.infer<typeof recorded>;

/** Throws `NonRetryableError` for what is none. */
export const recall = (value: unknown, step: string): Recorded => {
  const { data } = recorded.safeParse(value);
  if (data) return data;
  throw new NonRetryableError(`step "${step}" is recorded, but not as embeddings`);
};

/** What was paid for, counted under the app's name for the model. */
export const paid = (metrics: Metrics, name: string, embedder: Embedder, answer: Embedded): Recorded => {
  const { embeddings, tokens, ...rest } = answer;
  const added = additions.parse(asJson(rest));
  const used = {
    inputTokens: { total: tokens, noCache: tokens, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: 0, text: 0, reasoning: 0 },
  };
  const billed = bill(used, embedder.price);
  countPaid(metrics, name, billed, tokens !== undefined);
  return {
    ...added,
    ...optional({ tokens }),
    by: nameOf(embedder),
    embeddings: embeddings.map((each) => [...each]),
    billed,
  };
};
