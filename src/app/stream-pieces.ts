/**
 * Chunks as messages take them. Text is cut, as whoever follows joins it again; of anything else that is too large a word is
 * left in its place, so that the message around it stays whole and says what it lacks.
 */
import { optional } from '../kernel/optional.ts';
import type { Chunk } from './stream-types.ts';

/** Units of text in one piece: a unit is six bytes of JSON at most, and a server that takes records takes more than that. */
const textMost = 64 * 1024;

/** What the chunk says, in pieces of text that fit. */
export const piecesOf = (chunk: Chunk): readonly Chunk[] => {
  if (chunk.type === 'text-delta' || chunk.type === 'reasoning-delta')
    return chunk.delta.length <= textMost ? [chunk] : cut(chunk.delta).map((delta) => ({ ...chunk, delta }));
  if (chunk.type === 'tool-input-delta' && chunk.inputTextDelta.length > textMost)
    return cut(chunk.inputTextDelta).map((inputTextDelta) => ({ ...chunk, inputTextDelta }));
  return [chunk];
};

/** In the middle of a character too: JSON keeps each half, and both make it again. */
const cut = (text: string): readonly string[] =>
  Array.from({ length: Math.ceil(text.length / textMost) }, (_, n) => text.slice(n * textMost, (n + 1) * textMost));

/** In the place of a chunk that no message takes. A call of a tool goes on with what follows; else the message ends with it. */
export const leftOut = (chunk: Chunk): Chunk => {
  const errorText = `Too large to be shown: ${chunk.type}.`;
  if (chunk.type === 'tool-output-available') {
    const { toolCallId, dynamic, providerExecuted } = chunk;
    return { type: 'tool-output-error', toolCallId, errorText, ...optional({ dynamic, providerExecuted }) };
  }
  if (chunk.type === 'tool-input-available') {
    const { toolCallId, toolName, dynamic, providerExecuted } = chunk;
    const call = { toolCallId, toolName, input: null, errorText };
    return { type: 'tool-input-error', ...call, ...optional({ dynamic, providerExecuted }) };
  }
  return { type: 'error', errorText };
};
