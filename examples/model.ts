// The model that the examples ask: whatever speaks OpenAI's protocol. `npm start` points it at a simulated one.
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, type LanguageModelUsage, wrapLanguageModel } from 'ai';
import { type BaseCtx, RetryAfterError } from 'troupe';

const { OPENAI_API_KEY, OPENAI_BASE_URL, OPENAI_MODEL } = process.env;

const provider = createOpenAICompatible({
  name: 'openai',
  baseURL: OPENAI_BASE_URL ?? 'https://api.openai.com/v1',
  ...(OPENAI_API_KEY && { apiKey: OPENAI_API_KEY }),
  supportsStructuredOutputs: true,
});

/** A provider that is busy says for how long: the task comes back then, and holds no worker until it does. */
const comeBackLater = (error: unknown): never => {
  const seconds = APICallError.isInstance(error) ? Number(error.responseHeaders?.['retry-after']) : Number.NaN;
  if (seconds > 0) throw new RetryAfterError(`${seconds}s`, { message: 'the model is busy', cause: error });
  throw error;
};

export const model = wrapLanguageModel({
  model: provider(OPENAI_MODEL ?? 'gpt-5-mini'),
  middleware: {
    specificationVersion: 'v4',
    wrapGenerate: ({ doGenerate }) => doGenerate().then(undefined, comeBackLater),
  },
});

/** What a call cost, and which attempt paid for it. Recorded with the call's step, so that SQL can add it up. */
export const cost = ({ attempt }: BaseCtx, { inputTokens = 0, outputTokens = 0 }: LanguageModelUsage) => ({
  paidBy: attempt,
  usage: { inputTokens, outputTokens },
});
