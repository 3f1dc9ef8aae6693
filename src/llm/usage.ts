/** What a call used, and what that costs. */
import type { LanguageModelV4Usage } from '@ai-sdk/provider';
import type { Metrics } from '../kernel/metrics.ts';
import { type Amount, amountOf } from '../limiter/budget.ts';
import type { Usage } from '../task/record.ts';
import type { Price } from './models.ts';

/** More than any provider takes in one call: such a count is none. */
export const tokensMax = 1e9;

/** A provider's number, unless it cannot be one. */
export const count = (tokens: number | undefined): number | undefined =>
  tokens !== undefined && Number.isFinite(tokens) && tokens >= 0 && tokens <= tokensMax ? tokens : undefined;

/** Without the numbers that cannot be. */
export const credible = ({ inputTokens, outputTokens, raw }: LanguageModelV4Usage): LanguageModelV4Usage => ({
  inputTokens: {
    total: count(inputTokens.total),
    noCache: count(inputTokens.noCache),
    cacheRead: count(inputTokens.cacheRead),
    cacheWrite: count(inputTokens.cacheWrite),
  },
  outputTokens: {
    total: count(outputTokens.total),
    text: count(outputTokens.text),
    reasoning: count(outputTokens.reasoning),
  },
  ...(raw && { raw }),
});

/** `undefined` where the provider does not tell: then the estimate stands. */
export const actual = ({ inputTokens, outputTokens }: LanguageModelV4Usage): Amount | undefined => {
  const [input, output] = [count(inputTokens.total), count(outputTokens.total)];
  return input === undefined || output === undefined ? undefined : amountOf(input, output);
};

/** For the ledger. Without a price it costs nothing; cached input is part of the input. */
export const bill = ({ inputTokens, outputTokens }: LanguageModelV4Usage, price: Price | undefined): Usage => {
  const input = count(inputTokens.total) ?? 0;
  const output = count(outputTokens.total) ?? 0;
  const cached = Math.min(input, count(inputTokens.cacheRead) ?? 0);
  const usd = price
    ? ((input - cached) * price.input + cached * price.cachedInput + output * price.output) / 1_000_000
    : 0;
  return { inputTokens: input, outputTokens: output, usd };
};

/** Counts an answer that has been paid for. `told`: whether its provider told what it used. */
export const countPaid = (
  { modelCalls, modelTokens, modelUncounted, modelUsd }: Metrics,
  name: string,
  billed: Usage,
  told: boolean,
): void => {
  modelCalls.labels(name, 'answered').inc();
  if (!told) modelUncounted.labels(name).inc();
  modelTokens.labels(name, 'input').inc(billed.inputTokens);
  modelTokens.labels(name, 'output').inc(billed.outputTokens);
  modelUsd.labels(name).inc(billed.usd);
};

/** Of an answer that somebody else has paid for. */
export const noBill: Usage = { inputTokens: 0, outputTokens: 0, usd: 0 };
