/** What budgets and models may say, with each default in its one place. */
import { z } from 'zod';
import { type Budget, type Unit, units, type Window } from '../limiter/budget.ts';
import type { EmbeddingEntry, ProviderEmbedding } from '../llm/embedding-entry.ts';
import type { ModelEntry, ProviderModel } from '../llm/models.ts';
import type { Names } from './resolved.ts';
import { closed, duration, known, show, whole } from './shape.ts';

const limitMax = 1e12;

const rate = closed({
  limit: z
    .number({ error: 'not a number' })
    .gt(0, { error: 'must be more than 0' })
    .max(limitMax, { error: `more than ${limitMax}` }),
  per: duration(1_000, 86_400_000),
});

/** One or a list of them, as a list. Mistakes are told of what was written: a place in the list only where there is one. */
const oneOrMore = <T>(one: z.ZodType<T>, empty: string) => {
  const list = z.array(one).min(1, { error: empty });
  const alone = one.transform((value): T[] => [value]);
  return z.unknown().transform((value, ctx): readonly T[] => {
    const { data, error } = (Array.isArray(value) ? list : alone).safeParse(value);
    for (const { path, message } of error?.issues ?? []) ctx.addIssue({ code: 'custom', path: [...path], message });
    return data ?? z.NEVER;
  });
};

const rates = oneOrMore(rate, 'an empty list; leave it out').optional();

const windowsOf = (rated: { readonly [U in Unit]?: readonly z.infer<typeof rate>[] | undefined }): readonly Window[] =>
  units.flatMap((unit) => (rated[unit] ?? []).map(({ limit, per }) => ({ unit, limit, perMs: per })));

export const budgetShape = (name: string) =>
  closed({
    requests: rates,
    tokens: rates,
    inputTokens: rates,
    outputTokens: rates,
    concurrent: whole(1, 1_000_000).optional(),
  })
    .transform(
      ({ concurrent, ...rated }): Budget =>
        Object.freeze({ name, windows: windowsOf(rated), ...(concurrent === undefined ? {} : { concurrent }) }),
    )
    .refine(({ windows, concurrent }) => windows.length > 0 || concurrent !== undefined, {
      when: ({ issues }) => issues.length === 0, // What was misspelt is told already.
      error: 'it limits nothing; give requests, tokens, inputTokens, outputTokens or concurrent',
    });

const isMade = (value: unknown, ...methods: readonly string[]): boolean =>
  typeof value === 'object' &&
  value !== null &&
  'specificationVersion' in value &&
  ['v2', 'v3', 'v4'].includes(String(value.specificationVersion)) &&
  methods.every((method) => method in value);

const notMade =
  (what: string, make: string) =>
  ({ input }: { readonly input?: unknown }): string =>
    typeof input === 'string'
      ? `${show(input)} is a name; give the provider's model object, such as ${make}(${JSON.stringify(input)})`
      : `${show(input)} is no ${what} of the AI SDK (specification v2 to v4)`;

const languageModel = z.custom<ProviderModel>((value) => isMade(value, 'doGenerate', 'doStream'), {
  error: notMade('language model', 'openai'),
});
const embeddingModel = z.custom<ProviderEmbedding>((value) => isMade(value, 'doEmbed'), {
  error: notMade('embedding model', 'openai.embedding'),
});

const dollars = z
  .number({ error: 'not a number' })
  .min(0, { error: 'less than 0' })
  .max(1e6, { error: 'more than 1000000' });

const price = closed({ input: dollars, output: dollars.default(0), cachedInput: dollars.optional() }).transform(
  ({ input, output, cachedInput = input }) => Object.freeze({ input, output, cachedInput }),
);

const entry = <M>(model: z.ZodType<M>, { budgets }: Names) =>
  closed({
    model,
    budget: oneOrMore(known('budget', budgets), 'an empty list; every model needs a budget').transform((names) => [
      ...new Set(names),
    ]),
    price: price.optional(),
    cache: z.union([z.literal(false), duration(1)], { error: 'neither a duration nor false' }).default(false),
  }).transform(({ model: made, budget, cache, price: prices }) =>
    Object.freeze({
      model: made,
      budgets: budget,
      price: prices,
      cacheMs: cache === false ? undefined : cache,
    }),
  );

const entries = <E>(one: z.ZodType<E>) =>
  z
    .array(one, { error: 'not a list of entries; give [{ model, budget }]' })
    .min(1, { error: 'an empty list; give one entry at least: { model, budget }' });

export const modelShape = (names: Names) => entries<ModelEntry>(entry(languageModel, names));
export const embeddingShape = (names: Names) => entries<EmbeddingEntry>(entry(embeddingModel, names));
