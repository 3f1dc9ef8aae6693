/** What budgets and models may say, with each default in its one place. */
import { z } from 'zod';
import { type Budget, type Unit, units, type Window } from '../limiter/budget.ts';
import type { ModelEntry, ProviderModel } from '../llm/models.ts';
import type { Names } from './resolved.ts';
import { closed, duration, known, show, whole } from './shape.ts';

const limitMax = 1e12;

const rate = closed({
  limit: z
    .number({ error: 'not a number' })
    .gt(0, { error: 'not more than 0' })
    .max(limitMax, { error: `more than ${limitMax}` }),
  per: duration(1_000, 86_400_000),
});

/** One rate or a list of them: the list where it is one, so that mistakes are told of what was meant. */
const rates = z
  .unknown()
  .transform((value): unknown => (Array.isArray(value) ? value : [value]))
  .pipe(z.array(rate).min(1, { error: 'an empty list; leave it out' }))
  .optional();

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

const isModel = (value: unknown): value is ProviderModel =>
  typeof value === 'object' &&
  value !== null &&
  'specificationVersion' in value &&
  ['v2', 'v3', 'v4'].includes(String(value.specificationVersion)) &&
  'doGenerate' in value &&
  'doStream' in value;

const model = z.custom<ProviderModel>(isModel, {
  error: ({ input }) =>
    typeof input === 'string'
      ? `${show(input)} is a name; give the provider's model object, such as openai(${JSON.stringify(input)})`
      : `${show(input)} is no language model of the AI SDK (specification v2 to v4)`,
});

const dollars = z
  .number({ error: 'not a number' })
  .min(0, { error: 'less than 0' })
  .max(1e6, { error: 'more than 1000000' });

const price = closed({ input: dollars, output: dollars.default(0), cachedInput: dollars.optional() }).transform(
  ({ input, output, cachedInput = input }) => Object.freeze({ input, output, cachedInput }),
);

const entry = ({ budgets }: Names) =>
  closed({
    model,
    budget: z
      .unknown()
      .transform((value): unknown => (Array.isArray(value) ? value : [value]))
      .pipe(
        z
          .array(known('budget', budgets))
          .min(1, { error: 'an empty list; every model needs a budget' })
          .transform((names) => [...new Set(names)]),
      ),
    price: price.optional(),
    cache: z.union([z.literal(false), duration(1)], { error: 'neither a duration nor false' }).default(false),
  }).transform(
    ({ budget, cache, ...said }): ModelEntry =>
      Object.freeze({ ...said, price: said.price, budgets: budget, cacheMs: cache === false ? undefined : cache }),
  );

export const modelShape = (names: Names) =>
  z
    .array(entry(names), { error: 'not a list of entries; give [{ model, budget }]' })
    .min(1, { error: 'an empty list; give one entry at least: { model, budget }' });
