/**
 * A `fetch` for AI SDK providers that sends nothing by a permit that has run out: checked when the connection is there and
 * the first byte is about to be written, after JSON, DNS, TCP and TLS.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Agent, type Dispatcher, fetch as send, type RequestInit as Init } from 'undici';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import { currentCall } from './wire-call.ts';
import { type Sending, sending } from './wire-dispatch.ts';

export interface LimitedFetchOptions {
  readonly log: Log;
  readonly metrics?: Pick<Metrics, 'limiterUnchecked'>;
  /** As undici takes it: certificates, a look-up of one's own, the timeout for connecting. */
  readonly connect?: Agent.Options['connect'];
}

export interface LimitedFetch {
  /**
   * Within `withPermit` each request goes by a permit. Outside it goes without, which is counted, and logged once. Throws
   * as `fetch` does, and what the permits' source throws.
   */
  readonly fetch: typeof globalThis.fetch;
  /** Ends its connections, once what goes on is over. */
  close(): Promise<void>;
}

export const limitedFetch = ({ log, metrics, connect }: LimitedFetchOptions): LimitedFetch => {
  const unchecked = metrics?.limiterUnchecked.labels();
  // What a call may take is its caller's business. HTTP/2 would queue what we take for written.
  const limits = { pipelining: 1, allowH2: false, headersTimeout: 0, bodyTimeout: 0 };
  const agent = new Agent({ ...limits, ...(connect && { connect }) });
  const sendings = new AsyncLocalStorage<Sending>();
  const dispatcher = agent.compose((dispatch: Dispatcher.Dispatch) => (options, handler) => {
    const current = sendings.getStore();
    if (!current) return dispatch(options, handler);
    void current.send(dispatch, options, handler); // Never rejects: what is wrong is told to the handler.
    return true;
  });
  let told = false;

  const withoutPermit = (url: string): void => {
    unchecked?.inc();
    if (told) return;
    told = true;
    log.warn({ url }, 'a request was sent through the limited fetch without a permit; this is said once');
  };

  const limited = async (input: string | URL | Request, init?: RequestInit): Promise<unknown> => {
    const { url, options, body } = await plain(input, init);
    const call = currentCall();
    if (!call) {
      withoutPermit(new URL(url).origin);
      return send(url, { ...options, dispatcher });
    }
    call.enter();
    const current = sending(call, body);
    return sendings
      .run(current, () => send(url, { ...options, dispatcher }))
      .catch((error: unknown) => {
        current.giveUp();
        call.leave();
        // The limiter's word as it is, and not as the cause of some failure to connect.
        throw current.failure ? current.failure.error : error;
      });
  };

  // Node's fetch is an older undici; for whoever uses them, the types of both are the same.
  return { fetch: limited as typeof globalThis.fetch, close: () => agent.close() };
};

interface Plain {
  readonly url: string;
  readonly options: Init;
  readonly body: Uint8Array | null;
}

/**
 * The body as one buffer: so that it is written in one go, right after the check, and can be sent again. And undici does
 * not know the FormData and Request that are Node's.
 */
const plain = async (input: string | URL | Request, init: RequestInit = {}): Promise<Plain> => {
  const request = input instanceof Request ? new Request(input, init) : undefined;
  const source = request ?? init;
  const headers = new Headers(source.headers);
  const { body, type } = await buffered(source.body);
  if (type !== null && !headers.has('content-type')) headers.set('content-type', type);
  const { method, redirect, signal } = source;
  const options = {
    ...(method !== undefined && { method }),
    ...(redirect !== undefined && { redirect }),
    ...(signal && { signal }),
    headers: [...headers],
    body,
  };
  const url = typeof input === 'string' ? input : input instanceof URL ? input.href : input.url;
  return { url, options, body };
};

type Body = { readonly body: Uint8Array<ArrayBuffer> | null; readonly type: string | null };

const buffered = async (body: RequestInit['body']): Promise<Body> => {
  if (body === undefined || body === null || body === '') return { body: null, type: null };
  if (typeof body === 'string') return { body: Buffer.from(body), type: 'text/plain;charset=UTF-8' };
  const whole = new Response(body);
  return { body: new Uint8Array(await whole.arrayBuffer()), type: whole.headers.get('content-type') };
};
