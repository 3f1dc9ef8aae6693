// What an operator owns: pools, budgets, models.
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { defineConfig, modelFetch } from 'troupe';

const local = createOpenAICompatible({ name: 'local', baseURL: 'http://127.0.0.1:4010/v1', fetch: modelFetch });
const openai = createOpenAI({ apiKey: 'none', fetch: modelFetch });

export const config = defineConfig({
  pools: { documents: { workers: { min: 2, max: 50 }, lanes: { high: { reserve: 2 } } } },
  budgets: {
    tier1: { requests: { limit: 600, per: '1m' }, tokens: { limit: 200_000, per: '1m' }, concurrent: 50 },
    claude: {
      requests: [
        { limit: 100, per: '10s' },
        { limit: 5000, per: '1d' },
      ],
      inputTokens: { limit: 80_000, per: '1m' },
      outputTokens: { limit: 16_000, per: '1m' },
    },
    crm: { requests: { limit: 10, per: '1s' } },
  },
  models: {
    fast: [{ model: openai('gpt-5-mini'), budget: 'tier1', price: { input: 0.25, output: 2 } }],
    smart: [
      { model: local('big'), budget: ['tier1', 'claude'], price: { input: 3, output: 15 } },
      { model: openai('gpt-5-mini'), budget: 'tier1' },
    ],
    cheap: [
      { model: local('tiny'), budget: 'claude', cache: '7d' },
      { model: openai('gpt-5-nano'), budget: 'tier1' },
    ],
  },
});
