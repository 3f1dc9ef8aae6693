/** Which permits the requests of a call in progress go by. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Permit } from '../limiter/permits.ts';

export interface PermitSource {
  /** Those that have been granted already; the call's first request goes by them. */
  readonly first: readonly Permit[];
  /**
   * Others, of the same budgets: in place of those that came too late, which have been returned, of those whose request
   * was redirected, and for each further request. It is the source that bounds how long it waits, and that knows the call's signal.
   */
  next(): Promise<readonly Permit[]>;
  /** The answer to the call's first request has begun; its body is still to come. */
  heard?(headers: AnswerHeaders): void;
}

/** By lower-case names. */
export type AnswerHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A call, as its caller sees it. */
export interface WireCall {
  /** Those that its first request has gone by in the end, or would: for the caller to settle. All others settle by themselves. */
  readonly permits: readonly Permit[];
  /**
   * Whether it has used `limitedFetch`. If not, its transport is another one: then its permits have
   * been checked by nobody, and it is up to the caller to say when they were used.
   */
  readonly wired: boolean;
}

/** A call, as its requests see it. */
export interface OpenCall {
  /** Something is sent through `limitedFetch`. */
  enter(): void;
  /** Permits for a request. */
  begin(): Promise<Passage>;
  /** A request ended before it began, as with an address that cannot be. */
  leave(): void;
}

export interface Passage {
  readonly permits: readonly Permit[];
  /** Others in their place, which is free from now on: they were too late, or their request was sent elsewhere. */
  renew(): Promise<Passage>;
  /** The answer has begun. */
  heard(headers: AnswerHeaders): void;
  /** The request is over. */
  end(): void;
}

const calls = new AsyncLocalStorage<OpenCall>();

/** The call in progress, if there is one. */
export const currentCall = (): OpenCall | undefined => calls.getStore();

/** Runs `run`, whose requests through `limitedFetch` go by the source's permits, each by its own. */
export const withPermit = <T>(source: PermitSource, run: (call: WireCall) => Promise<T>): Promise<T> => {
  let first = source.first;
  let wired = false;
  let begun = false;

  const passage = (permits: readonly Permit[], isFirst: boolean): Passage => ({
    permits,
    renew: async () => {
      // What has been sent, or has begun, counts; but it must not take a place beside that of the others.
      for (const permit of permits) permit.settle();
      const others = await source.next();
      if (isFirst) first = others;
      return passage(others, isFirst);
    },
    heard: (headers) => {
      if (isFirst) source.heard?.(headers);
    },
    end: () => {
      if (isFirst) return;
      for (const permit of permits) permit.settle();
    },
  });

  const begin = async (): Promise<Passage> => {
    const isFirst = !begun;
    begun = true;
    return passage(isFirst ? first : await source.next(), isFirst);
  };

  const leave = (): void => {
    if (begun) return;
    for (const permit of first) permit.unsent();
  };

  const enter = (): void => {
    wired = true;
  };

  return calls.run({ enter, begin, leave }, () =>
    run({
      get permits() {
        return first;
      },
      get wired() {
        return wired;
      },
    }),
  );
};
