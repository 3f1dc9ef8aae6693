import type { LanguageModelV4CallOptions } from '@ai-sdk/provider';
import fc from 'fast-check';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, test } from 'vitest';
import { silentLog } from '../../src/kernel/log.ts';
import { createMetrics } from '../../src/kernel/metrics.ts';
import { systemClock } from '../../src/kernel/clock.ts';
import { estimator } from '../../src/llm/estimate.ts';
import { countByLength, countInTurns, counterOf, encodingOf } from '../../src/llm/tokens.ts';

const plain = { disallowedSpecial: new Set<string>() };
const words = fc.stringMatching(/^[a-z]{1,12}$/);
const text = fc.oneof(
  { weight: 4, arbitrary: fc.array(words, { maxLength: 200 }).map((each) => each.join(' ')) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 3_000, size: 'max' }) },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 3_000, size: 'max' }) },
  { weight: 1, arbitrary: fc.base64String({ maxLength: 4_000, size: 'max' }) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('a', 'ab', '  ', '\n', '東京', '<|endoftext|>', '👩‍👩‍👧')
      .map((each) => each.repeat(700)),
  },
);
const gpt = { provider: 'openai.responses', modelId: 'gpt-5-mini' };
const ask = (content: string): LanguageModelV4CallOptions => ({
  prompt: [{ role: 'user', content: [{ type: 'text', text: content }] }],
});

describe('an estimate', () => {
  const { amount } = estimator({ clock: systemClock, log: silentLog, metrics: createMetrics() });

  test('is never below what the tokenizer counts, whatever the text', async () => {
    await fc.assert(
      fc.asyncProperty(text, async (content) => {
        const { inputTokens } = await amount(gpt, ask(content));
        expect(inputTokens).toBeGreaterThanOrEqual(countTokens(content, plain));
      }),
      { numRuns: 300 },
    );
  });

  test('is not far above it for prose', async () => {
    const prose = 'The quick brown fox jumps over the lazy dog, and nobody minds. '.repeat(200);
    const { inputTokens } = await amount(gpt, ask(prose));
    expect(inputTokens).toBeLessThan(countTokens(prose) * 1.02 + 50);
  });

  test('counts tools, schemas and images too', async () => {
    const bare = (await amount(gpt, ask('hi'))).inputTokens;
    const inputSchema = { type: 'object' as const, properties: { a: { type: 'string' as const } } };
    const tooled = await amount(gpt, { ...ask('hi'), tools: [{ type: 'function', name: 'f', inputSchema }] });
    expect(tooled.inputTokens).toBeGreaterThan(bare + 10);
    const image = {
      type: 'file' as const,
      mediaType: 'image/png',
      data: { type: 'data' as const, data: new Uint8Array(10) },
    };
    const seen = await amount(gpt, { prompt: [{ role: 'user', content: [image] }] });
    expect(seen.inputTokens).toBeGreaterThan(1_900);
  });
});

describe('a long text', () => {
  test('without spaces takes no time in the square of its length', async () => {
    const count = await counterOf('o200k_base');
    const from = performance.now();
    expect(count('ab'.repeat(100_000))).toBeGreaterThan(20_000);
    expect(performance.now() - from).toBeLessThan(5_000);
  });

  test('is counted in turns, and comes to no less than the whole', async () => {
    const count = await counterOf('o200k_base');
    const long = 'one two, three 4 '.repeat(20_000);
    let turns = 0;
    const immediate = (run: () => void): void => {
      turns += 1;
      setImmediate(run);
    };
    const clock = { immediate };
    const counted = await countInTurns(clock, long, count);
    expect(counted).toBeGreaterThanOrEqual(countTokens(long));
    expect(turns).toBeGreaterThan(3);
  });
});

describe('models', () => {
  test.each([
    ['openai.chat', 'gpt-5-mini', 'o200k_base'],
    ['openai.responses', 'ft:gpt-4o-mini:acme::x', 'o200k_base'],
    ['openai.chat', 'o3-mini', 'o200k_base'],
    ['openai.chat', 'gpt-4-turbo', 'cl100k_base'],
    ['openai.chat', 'gpt-3.5-turbo', 'cl100k_base'],
    ['openai.chat', 'something-new', 'o200k_base'],
    ['azure.chat', 'our-deployment', 'o200k_base'],
    ['openrouter.chat', 'openai/gpt-oss-120b', 'o200k_base'],
    ['anthropic.messages', 'claude-sonnet-5', undefined],
    ['local.chat', 'tiny', undefined],
    ['google.generative-ai', 'gemini-3-pro', undefined],
  ])('of %s, %s are counted by %s', (provider, modelId, encoding) => {
    expect(encodingOf({ provider, modelId })).toBe(encoding);
  });

  test('without a known tokenizer are counted by length, and that is said once and counted', async () => {
    const warned: unknown[] = [];
    const log = { ...silentLog, warn: (...what: unknown[]) => void warned.push(what) };
    const metrics = createMetrics();
    const { amount, prepare } = estimator({ clock: systemClock, log, metrics });
    const model = { provider: 'local.chat', modelId: 'tiny' };
    await prepare([model, gpt]);
    expect(warned).toEqual([[{ provider: 'local.chat', model: 'tiny' }, expect.any(String)]]);
    for (const each of [model, gpt, model]) await amount(each, ask('x'.repeat(300)));
    expect(warned).toHaveLength(1);
    const shown = await metrics.text();
    expect(shown).toContain('troupe_model_tokens_by_length_total{id="tiny"} 2');
    expect(shown).not.toContain('id="gpt-5-mini"');
    expect(countByLength('x'.repeat(300))).toBe(100);
    expect(countByLength('東京')).toBe(2);
  });
});
