import { silentLog } from '../kernel/log.ts';
import { type LimitedFetch, limitedFetch as make } from './wire.ts';

let shared: LimitedFetch | undefined;

/**
 * A `fetch` for the AI SDK's providers, as in `createOpenAI({ fetch: limitedFetch })`: what `ctx.model` and `ctx.permit`
 * send through it is checked when the connection is there and the first byte is about to be written, so that no permit
 * is used after its time. Outside of them it sends without. Throws as `fetch` does.
 */
export const limitedFetch: typeof globalThis.fetch = (input, init) => {
  shared ??= make({ log: silentLog });
  return shared.fetch(input, init);
};
