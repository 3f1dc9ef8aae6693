/** Between a stream that is being recorded and whoever reads it. */
import type { LanguageModelV4StreamPart } from '@ai-sdk/provider';
import { type Answer } from './content.ts';
import { partsOf } from './parts.ts';
import type { Sink } from './provider.ts';

type Part = LanguageModelV4StreamPart;

export interface Passage extends Sink {
  readonly readable: ReadableStream<Part>;
  /** Resolves when there is something to read; before that, what fails may be answered by somebody else. */
  readonly opened: Promise<void>;
  /** Whether anything was shown. */
  shown(): boolean;
  /** The answer is complete, and recorded: shows what is left of it, all of it if nothing was shown yet. */
  finish(answer: Answer): Promise<void>;
  /** Whoever reads is told, in place of what is missing. */
  fail(error: unknown): void;
}

/** A response that its provider did not name has our name for it, by which it can be forgotten. */
const isEnd = ({ type }: Part): boolean => type === 'response-metadata' || type === 'finish';

/** Parts that a slow reader may leave lying; then the provider has to wait. */
const ahead = 64;

export const passage = (abandoned: (reason: unknown) => void): Passage => {
  const opened = Promise.withResolvers<void>();
  opened.promise.catch(() => {}); // `fail` tells the same to who reads.
  let shown = false;
  const { readable, writable } = new TransformStream<Part, Part>(
    {},
    { highWaterMark: ahead },
    { highWaterMark: ahead },
  );
  const writer = writable.getWriter();
  writer.closed.catch(abandoned);

  const part = async (value: Part): Promise<void> => {
    shown = true;
    opened.resolve();
    await writer.ready;
    void writer.write(value).catch(() => {}); // `abandoned` has been told.
  };

  return {
    readable,
    opened: opened.promise,
    part,
    shown: () => shown,
    finish: async (answer) => {
      const parts = partsOf(answer);
      for (const value of shown ? parts.filter(isEnd) : parts) await part(value);
      void writer.close().catch(() => {});
    },
    fail: (error) => {
      opened.reject(error);
      void writer.abort(error).catch(() => {});
    },
  };
};
