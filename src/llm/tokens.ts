/** How many tokens a text is, by the tokenizer of OpenAI's models or, for others, by its length. */
import type { Clock } from '../kernel/clock.ts';

export type Encoding = 'o200k_base' | 'cl100k_base';
export type Count = (text: string) => number;

/** The families that a tokenizer is known of. Names come with a vendor, a date or a tuning around them. */
const o200k = /(?:^|[^a-z0-9])(?:gpt-(?:4o|4\.\d|[5-9]|oss|audio|realtime)|chatgpt|o[1-9](?![a-z0-9])|codex)/;
const cl100k = /(?:^|[^a-z0-9])gpt-(?:3\.5|35|4)(?![0-9a-z.])/;
const openai = /^(?:openai|azure)\b/;

/** `undefined` for models whose tokenizer is not public. Anything of OpenAI's is counted as its newest. */
export const encodingOf = ({ provider, modelId }: { provider: string; modelId: string }): Encoding | undefined => {
  const id = modelId.toLowerCase();
  if (o200k.test(id)) return 'o200k_base';
  if (cl100k.test(id)) return 'cl100k_base';
  return openai.test(provider) ? 'o200k_base' : undefined;
};

/** Three bytes a token: more than English has, and about one a character where characters are words. */
export const countByLength: Count = (text) => Math.ceil(Buffer.byteLength(text) / 3);

const loadEncoding = (encoding: Encoding): Promise<{ readonly countTokens: Tokenizer }> =>
  encoding === 'o200k_base'
    ? import('gpt-tokenizer/encoding/o200k_base')
    : import('gpt-tokenizer/encoding/cl100k_base');

type Tokenizer = (text: string, options: { readonly disallowedSpecial: Set<string> }) => number;

/** A quarter of a second and 60 MB: once a process, and only where a model needs it. */
export const counterOf = async (encoding: Encoding): Promise<Count> => {
  const { countTokens } = await loadEncoding(encoding);
  // What looks like a special token is text in a prompt.
  const options = { disallowedSpecial: new Set<string>() };
  return (text) => sumOfPieces(text, (piece) => countTokens(piece, options));
};

const runMax = 400;
/** Merges reach across a cut, so that the pieces of a run may be fewer tokens than the run. */
const cutMargin = 4;
const long = new RegExp(`\\S{${runMax},}|\\s{${runMax},}`, 'gu');

/** The tokenizer takes time in the square of a run without spaces: 20 s for 200,000 letters. Such runs are cut. */
const sumOfPieces = (text: string, count: Count): number => {
  let [tokens, from] = [0, 0];
  for (const { 0: run, index } of text.matchAll(long)) {
    tokens += index > from ? count(text.slice(from, index)) + cutMargin : 0;
    for (let at = 0; at < run.length; at += runMax) tokens += count(run.slice(at, at + runMax)) + cutMargin;
    from = index + run.length;
  }
  return tokens + count(from === 0 ? text : text.slice(from));
};

/** Between pieces of this many characters others have their turn. */
const turnMax = 64 * 1024;

/** Of a long text too, without keeping the process from its other work. */
export const countInTurns = async (clock: Pick<Clock, 'immediate'>, text: string, count: Count): Promise<number> => {
  let tokens = 0;
  for (let from = 0; from < text.length; ) {
    const to = text.length - from <= turnMax ? text.length : cutAt(text, from + turnMax);
    tokens += count(text.slice(from, to)) + (to < text.length ? cutMargin : 0);
    from = to;
    if (from < text.length) await new Promise<void>((resolve) => clock.immediate(resolve));
  }
  return tokens;
};

/** Before the last space, where a tokenizer cuts too. */
const cutAt = (text: string, before: number): number => {
  const space = text.lastIndexOf(' ', before);
  return space > before - turnMax / 2 ? space : before;
};
