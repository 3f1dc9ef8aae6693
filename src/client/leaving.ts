/** Iterations that a reader may leave at any time. */
import type { Core, Life } from './core.ts';

/**
 * What `follow` makes, which calls `begin` for the life of its waits when it is first read. A generator ends only after the
 * value that it is waiting for: this one's life is over as soon as its reader returns.
 */
export const leaving = <Value>(
  { life }: Pick<Core, 'life'>,
  abortSignal: AbortSignal | undefined,
  follow: (begin: () => Life) => AsyncGenerator<Value>,
): AsyncGenerator<Value> => {
  const left = new AbortController();
  const values = follow(() => life(abortSignal, left.signal));
  const end = (): ReturnType<typeof values.return> => {
    left.abort();
    return values.return(undefined);
  };
  const reader: AsyncGenerator<Value> = {
    next: () => values.next(),
    return: end,
    throw: (error) => {
      left.abort();
      return values.throw(error);
    },
    [Symbol.asyncIterator]: () => reader,
    [Symbol.asyncDispose]: async () => void (await end()),
  };
  return reader;
};
