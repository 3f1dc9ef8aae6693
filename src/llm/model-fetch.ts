/** The `fetch` that an app gives to its providers: one for the process, as its connections are. */
import type { Log } from '../kernel/log.ts';
import type { Counter } from '../kernel/series.ts';
import type { LimitedFetch } from './wire.ts';

/** A process may have no runtime, and so no log: Node's own warnings go where its operator looks. */
const warn = (fields: object | string, message?: string): void =>
  process.emitWarning(`${message ?? ''} ${JSON.stringify(fields)}`, 'TroupeWarning');
const warnings: Log = { debug: () => {}, info: () => {}, warn, error: warn, child: () => warnings };

const counters = new Set<Counter>();
const everywhere: Counter = {
  inc: (by) => {
    for (const counter of counters) counter.inc(by);
  },
};

/** A runtime's counter of what goes without a permit, which nobody can tell whose it is: until it is called back. */
export const countUnchecked = (counter: Counter): (() => void) => {
  counters.add(counter);
  return () => void counters.delete(counter);
};

let made: Promise<LimitedFetch> | undefined;

/** undici is loaded here: who only submits tasks need not have it in memory. */
const make = async (): Promise<LimitedFetch> => {
  const { limitedFetch } = await import('./wire.ts');
  return limitedFetch({ log: warnings, metrics: { limiterUnchecked: { labels: () => everywhere } } });
};

/**
 * A `fetch` for AI SDK providers: `createOpenAI({ fetch: modelFetch })`. Within a call of `ctx.model`, `ctx.embedding` or
 * `ctx.permit` a request leaves only by a permit that is still good when its first byte is about to be written, and waits
 * for another one where it is not. Anywhere else it leaves without a permit, which a warning of Node's says once a
 * process, and `troupe_limiter_unchecked_total` counts. Bodies are read into memory before they are sent. Throws as `fetch` does, and LimiterTimeoutError.
 */
export const modelFetch: typeof globalThis.fetch = async (input, init) => {
  made ??= make();
  const { fetch } = await made;
  return fetch(input, init);
};
