/** `ctx.stream`: what a model says, shown to whoever follows the run while it is being said. */
import type { Clock } from '../kernel/clock.ts';
import type { Log } from '../kernel/log.ts';
import { unlessAborted } from '../kernel/signal.ts';
import { leftOut, piecesOf } from './stream-pieces.ts';
import type { Chunk, StreamSource } from './stream-types.ts';

export interface StreamOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Shows one chunk, and answers whether one message takes it. */
  readonly show: (chunk: Chunk) => boolean;
}

/** Resolves at the source's end. Rejects with what broke it off, and with the signal's reason. */
export const streamed = async ({ clock, log, signal, show }: StreamOptions, source: StreamSource): Promise<void> => {
  let failure: { readonly error: unknown } | undefined;
  const told: { error?: unknown } = {};
  const reader = chunksOf(source, told).getReader();
  const gathered = gatherer(clock, safely(show, log));
  try {
    for (;;) {
      const { done, value } = await unlessAborted(signal, reader.read());
      if (done) break;
      gathered.add(value);
      if (value.type === 'error')
        failure ??= { error: told.error ?? new Error(`the stream broke off: ${value.errorText}`) };
    }
  } catch (error) {
    reader.cancel(error).catch(() => {}); // Nobody waits for a source that is of no more use.
    throw error;
  } finally {
    gathered.flush();
  }
  if (failure) throw failure.error;
};

/** As AI SDK's own words for it: whoever watches learns nothing of what went wrong inside. */
const masked = 'An error occurred.';

const chunksOf = (source: StreamSource, told: { error?: unknown }): ReadableStream<Chunk> =>
  'getReader' in source
    ? source
    : source.toUIMessageStream({
        onError: (error) => {
          told.error = error;
          return masked;
        },
        redactToolErrors: false,
      });

/** What cannot be shown is not worth a task: the connection may be away. What is too large leaves a word in its place. */
const safely =
  (show: StreamOptions['show'], log: Log) =>
  (chunk: Chunk): void => {
    try {
      for (const piece of piecesOf(chunk)) if (!show(piece)) show(leftOut(piece));
    } catch (error) {
      log.debug({ err: error, chunk: chunk.type }, 'a chunk was not shown');
    }
  };

/**
 * What comes in one turn of the event loop goes out in as few chunks as it fits into: the first at once, and what comes
 * behind it when the turn ends. So nothing waits longer than a turn, and a burst costs little more than one chunk.
 */
const gatherer = (clock: Clock, show: (chunk: Chunk) => void) => {
  let waiting: Chunk[] = [];
  let turning = false;

  const flush = (): void => {
    const chunks = waiting;
    waiting = [];
    for (const chunk of chunks) show(chunk);
  };
  const turn = (): void => {
    turning = false;
    flush();
  };

  const add = (chunk: Chunk): void => {
    if (turning) {
      const last = waiting.at(-1);
      const both = last && joined(last, chunk);
      if (both) waiting[waiting.length - 1] = both;
      else waiting.push(chunk);
      return;
    }
    turning = true;
    clock.immediate(turn);
    show(chunk);
  };
  return { add, flush };
};

/** Two pieces of one text as one. */
const joined = (a: Chunk, b: Chunk): Chunk | undefined => {
  if (a.type === 'text-delta' || a.type === 'reasoning-delta')
    return b.type === a.type && b.id === a.id && !a.providerMetadata && !b.providerMetadata
      ? { ...a, delta: a.delta + b.delta }
      : undefined;
  if (a.type === 'tool-input-delta' && b.type === 'tool-input-delta' && a.toolCallId === b.toolCallId)
    return { ...a, inputTextDelta: a.inputTextDelta + b.inputTextDelta };
  return undefined;
};
