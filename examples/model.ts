// The model that the examples ask: whatever speaks OpenAI's protocol. `npm start` points it at a simulated one.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { modelFetch } from 'troupe';

const { OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_MODEL } = process.env;

const provider = createOpenAICompatible({
  name: 'openai',
  baseURL: OPENAI_BASE_URL ?? 'https://api.openai.com/v1',
  ...(OPENAI_API_KEY && { apiKey: OPENAI_API_KEY }),
  supportsStructuredOutputs: true,
  fetch: modelFetch, // Permits are checked where a request leaves.
});

export const fast = provider(OPENAI_MODEL ?? 'gpt-5-mini');
