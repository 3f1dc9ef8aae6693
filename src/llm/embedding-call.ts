/** One call of an embedding provider, on behalf of all who share it. */
import {
  type EmbeddingModelV4CallOptions,
  type EmbeddingModelV4Result,
  InvalidResponseDataError,
  type SharedV4ProviderMetadata,
  type SharedV4Warning,
} from '@ai-sdk/provider';
import type { Lane } from '../bus/subjects.ts';
import { TimeoutError } from '../kernel/errors.ts';
import { optional } from '../kernel/optional.ts';
import { unlessAborted } from '../kernel/signal.ts';
import { amountOf } from '../limiter/budget.ts';
import type { Embedder } from './embedding-entry.ts';
import type { Estimator } from './estimate.ts';
import type { Patience } from './patience.ts';
import { permitted } from './permission.ts';
import type { CallPorts } from './scope.ts';
import { count } from './usage.ts';

export interface EmbeddingRequest {
  readonly values: readonly string[];
  readonly settings: Omit<EmbeddingModelV4CallOptions, 'values' | 'abortSignal'>;
  /** Those with another one go out separately: settings, limits, tenant and lane. */
  readonly kind: string;
  /** Its record's key. */
  readonly task: string;
  readonly lane: Lane;
  readonly tenant: string;
  readonly patience: Patience;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

export interface Embedded {
  readonly embeddings: readonly (readonly number[])[];
  /** Of these values, by their share of the call; absent where the provider does not tell. */
  readonly tokens?: number;
  readonly providerMetadata?: SharedV4ProviderMetadata;
  readonly warnings: readonly SharedV4Warning[];
}

type Requests = readonly EmbeddingRequest[];

/** The provider's answer, split by who asked. */
export const asked = async (all: CallPorts, embedder: Embedder, requests: Requests): Promise<readonly Embedded[]> => {
  const [first] = requests;
  if (!first) return [];
  const values = requests.flatMap((request) => request.values);
  const life = lifeOf(requests);
  try {
    const answer = await permitted(
      all.permits,
      embedder.transport,
      {
        budgets: embedder.budgets,
        clock: all.ports.clock,
        amount: await amountFor(all.estimates, embedder, values),
        lane: first.lane,
        tenant: first.tenant,
        holdMs: first.timeoutMs,
        tasks: requests.map(({ task }) => task),
        signal: life.signal,
        patience: longest(requests),
      },
      async (wire) => {
        const result = await timely(all, first.timeoutMs, life, () =>
          embedder.model.doEmbed({ ...first.settings, values: [...values], abortSignal: life.signal }),
        );
        if (!wire.wired) for (const permit of wire.permits) permit.heard();
        return result;
      },
      ({ usage }) => {
        const tokens = count(usage?.tokens);
        return tokens === undefined ? undefined : amountOf(tokens, 0);
      },
    );
    refuseStrange(answer.embeddings, values.length);
    return split(answer, requests);
  } finally {
    life.abort();
  }
};

/** Whoever has less time leaves by himself. */
const longest = (requests: Requests): Patience =>
  requests.map(({ patience }) => patience).reduce((a, b) => (b.leftMs() > a.leftMs() ? b : a));

/** Ends when nobody waits for the answer any more. */
const lifeOf = (requests: Requests): AbortController => {
  const life = new AbortController();
  const left = (): void => {
    const last = requests.find(({ signal }) => !signal.aborted);
    if (!last) life.abort(requests[0]?.signal.reason);
  };
  for (const { signal } of requests) signal.addEventListener('abort', left, { signal: life.signal });
  left();
  return life;
};

const timely = async <T>(
  { ports: { clock } }: CallPorts,
  timeoutMs: number,
  life: AbortController,
  call: () => PromiseLike<T>,
): Promise<T> => {
  const error = new TimeoutError(`the embedding model gave no answer within ${timeoutMs} ms`);
  const timer = clock.timer(timeoutMs, () => life.abort(error));
  try {
    return await unlessAborted(life.signal, Promise.resolve(call()));
  } finally {
    timer.cancel();
  }
};

const amountFor = async (estimates: Estimator, { model }: Embedder, values: readonly string[]) => {
  const prompt = values.map((text) => ({ role: 'user' as const, content: [{ type: 'text' as const, text }] }));
  const { inputTokens } = await estimates.amount(model, { prompt, maxOutputTokens: 1 });
  return amountOf(inputTokens, 0);
};

/** Several times as many as any model's embeddings have. */
const numbersMax = 65_536;

const refuseStrange = (embeddings: readonly (readonly number[])[], wanted: number): void => {
  const isSane = (each: readonly number[]): boolean =>
    each.length > 0 && each.length <= numbersMax && each.every(Number.isFinite);
  const sane = embeddings.length === wanted && embeddings.every(isSane);
  if (!sane)
    throw new InvalidResponseDataError({
      data: undefined,
      message: `${wanted} values were to be embedded; ${embeddings.length} embeddings came, or some that are none`,
    });
};

const split = (answer: EmbeddingModelV4Result, requests: Requests): readonly Embedded[] => {
  const sizes = requests.map(({ values }) => values.reduce((sum, value) => sum + value.length, values.length));
  const shares = shared(count(answer.usage?.tokens), sizes);
  let at = 0;
  return requests.map(({ values }, index) => {
    const embeddings = answer.embeddings.slice(at, (at += values.length));
    return {
      ...optional({ tokens: shares?.[index], providerMetadata: answer.providerMetadata }),
      embeddings,
      warnings: answer.warnings,
    };
  });
};

/** Whole tokens by size; none is lost. */
const shared = (tokens: number | undefined, sizes: readonly number[]): readonly number[] | undefined => {
  if (tokens === undefined) return undefined;
  const whole = sizes.reduce((sum, size) => sum + size, 0);
  let before = 0;
  let given = 0;
  return sizes.map((size) => {
    before += size;
    const upTo = whole === 0 ? 0 : Math.round((tokens * before) / whole);
    const own = upTo - given;
    given = upTo;
    return own;
  });
};
