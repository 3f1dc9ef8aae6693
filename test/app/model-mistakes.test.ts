import { MockLanguageModelV4 } from 'ai/test';
import { expect, test } from 'vitest';
import { resolveApp } from '../../src/app/resolve.ts';
import { loose, type Mistake, mistakesOf } from './apps.ts';

const model = new MockLanguageModelV4();
const requests = { limit: 600, per: '1m' };
const budgets = { tier1: { requests } };
const budget = (tier1: unknown): Record<string, unknown> => ({ budgets: { tier1 } });
const entry = (fast: unknown): Record<string, unknown> => ({ budgets, models: { fast } });

const mistakes: readonly Mistake[] = [
  [
    'a budget that limits nothing',
    budget({}),
    'budgets.tier1: it limits nothing; give requests, tokens, inputTokens, outputTokens or concurrent',
  ],
  ['a budget that is a number', budget(5), 'budgets.tier1: 5 is no object'],
  ['a misspelt unit', budget({ token: requests }), 'budgets.tier1: unknown key "token"; did you mean "tokens"?'],
  [
    'no requests at all',
    budget({ requests: { limit: 0, per: '1m' } }),
    'budgets.tier1: requests.limit: must be more than 0',
  ],
  [
    'fewer than no tokens',
    budget({ tokens: [requests, { limit: -5, per: '1m' }] }),
    'budgets.tier1: tokens.1.limit: must be more than 0',
  ],
  [
    'a limit that is no number',
    budget({ tokens: { limit: '5', per: '1m' } }),
    'budgets.tier1: tokens.limit: not a number',
  ],
  [
    'a limit without end',
    budget({ tokens: { limit: 1e13, per: '1m' } }),
    'budgets.tier1: tokens.limit: more than 1000000000000',
  ],
  [
    'a window that is too short',
    budget({ requests: { limit: 1, per: '500ms' } }),
    "budgets.tier1: requests.per: '500ms' is out of bounds; give 1s to 1d",
  ],
  [
    'a window that is too long',
    budget({ requests: { limit: 1, per: '2d' } }),
    "budgets.tier1: requests.per: '2d' is out of bounds; give 1s to 1d",
  ],
  ['an empty list of rates', budget({ requests: [] }), 'budgets.tier1: requests: an empty list; leave it out'],
  [
    'half a call at once',
    budget({ concurrent: 0.5 }),
    'budgets.tier1: concurrent: 0.5 is no whole number from 1 to 1000000',
  ],
  ['budgets that are a list', { budgets: [] }, 'budgets: not an object of budgets by name'],
  [
    'a budget name that is no token',
    { budgets: { 'a b': { requests } } },
    'budgets.a b: no name; give 1 to 64 of A-Z a-z 0-9 _ -',
  ],
  ['a model without entries', entry([]), 'models.fast: an empty list; give one entry at least: { model, budget }'],
  [
    'a model that is no list',
    entry({ model, budget: 'tier1' }),
    'models.fast: not a list of entries; give [{ model, budget }]',
  ],
  [
    'a model that is a name',
    entry([{ model: 'gpt-5-mini', budget: 'tier1' }]),
    'models.fast: 0.model: "gpt-5-mini" is a name; give the provider\'s model object, such as openai("gpt-5-mini")',
  ],
  [
    'a model of another kind',
    entry([{ model: { specificationVersion: 'v1', doGenerate: 1, doStream: 1 }, budget: 'tier1' }]),
    'models.fast: 0.model: an object is no language model of the AI SDK (specification v2 to v4)',
  ],
  [
    'a budget that is not there',
    entry([{ model, budget: 'teir1' }]),
    'models.fast: 0.budget: there is no budget "teir1"; did you mean "tier1"?',
  ],
  [
    'a budget that is not there, among others',
    entry([{ model, budget: ['tier1', 'teir1'] }]),
    'models.fast: 0.budget.1: there is no budget "teir1"; did you mean "tier1"?',
  ],
  [
    'a model without a budget',
    entry([{ model, budget: [] }]),
    'models.fast: 0.budget: an empty list; every model needs a budget',
  ],
  [
    'a price below nothing',
    entry([{ model, budget: 'tier1', price: { input: -1 } }]),
    'models.fast: 0.price.input: less than 0',
  ],
  [
    'a cache without a time',
    entry([{ model, budget: 'tier1', cache: true }]),
    'models.fast: 0.cache: neither a duration nor false',
  ],
];

test.each(mistakes)('a mistake in budgets and models is told with its place and remedy: %s', (_, app, told) => {
  expect(mistakesOf(loose(app))).toEqual([told]);
});

test('every mistake is told at once, and one in a budget does not make its name unknown', () => {
  const app = { budgets: { tier1: {} }, models: { fast: [{ model: 'x', budget: 'tier1' }], smart: [] } };
  expect(mistakesOf(loose(app))).toHaveLength(3);
});

test('what is not said has its default', () => {
  const app = resolveApp(
    loose({
      budgets: { tier1: { requests, tokens: [requests, { limit: 5, per: '1s' }] }, org: { concurrent: 3 } },
      models: {
        fast: [
          { model, budget: ['tier1', 'org', 'org'], price: { input: 2 } },
          { model, budget: 'org', cache: '1h' },
        ],
      },
    }),
  );
  expect(app.budgets.get('tier1')).toEqual({
    name: 'tier1',
    windows: [
      { unit: 'requests', limit: 600, perMs: 60_000 },
      { unit: 'tokens', limit: 600, perMs: 60_000 },
      { unit: 'tokens', limit: 5, perMs: 1_000 },
    ],
  });
  expect(app.budgets.get('org')).toEqual({ name: 'org', windows: [], concurrent: 3 });
  expect(app.models.get('fast')).toEqual([
    { model, budgets: ['tier1', 'org'], price: { input: 2, output: 0, cachedInput: 2 }, cacheMs: undefined },
    { model, budgets: ['org'], price: undefined, cacheMs: 3_600_000 },
  ]);
});
