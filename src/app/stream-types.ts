import type { UIMessageChunk } from 'ai';

/** A piece of a message as the AI SDK's user interfaces take it. */
export type Chunk = UIMessageChunk;

/** What `ctx.stream` shows: the result of `streamText`, or any stream of chunks. */
export type StreamSource =
  | {
      /** Asked once. `onError` is told what an `error` chunk hides. */
      toUIMessageStream(options?: {
        readonly onError?: (error: unknown) => string;
        readonly redactToolErrors?: boolean;
      }): ReadableStream<Chunk>;
    }
  | ReadableStream<Chunk>;
