/**
 * The check at the wire: undici says `onRequestStart` when a request has its connection, in the same turn in which it then
 * writes, and writes nothing where that throws. (`undici:client:sendHeaders` is heard a moment later, but all that can be
 * done there is to destroy the connection, and with it the time that it took: over TLS the next permit would be too late
 * as well.) A body that is one buffer is written in that turn too; `onRequestSent` follows.
 */
import type { Dispatcher } from 'undici';
import { LimiterTimeoutError } from '../kernel/errors.ts';
import type { OpenCall, Passage } from './wire-call.ts';

/** One call of `fetch`: a request, or several where it is redirected. */
export interface Sending {
  /** Sends by permits of its call, and anew by others as long as they come too late. Never rejects. */
  send(dispatch: Dispatch, options: Options, handler: Handler): Promise<void>;
  /** Nobody waits for the answer any more: what has not been written will not be. */
  giveUp(): void;
  /** Why no permit was to be had. */
  readonly failure: { readonly error: unknown } | undefined;
}

type Dispatch = Dispatcher.Dispatch;
type Handler = Dispatcher.DispatchHandler;
type Options = Dispatcher.DispatchOptions;

/** So many times is a permit too late by chance; then something is wrong. */
const mostTries = 8;
const tooLate = 'had run out when their request was about to be written: this process is overloaded, or stood still';

/** Also where undici would write the same request twice, as by a connection that broke: its permit has been used. */
class LateError extends Error {
  override readonly name = 'LateError';
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

export const sending = (call: OpenCall, body: Uint8Array | null): Sending => {
  /** The last; a request that is redirected goes on in its place. */
  let passage: Passage | undefined;
  let over = false;
  let failure: { readonly error: unknown } | undefined;

  const go = async (dispatch: Dispatch, options: Options, handler: Handler): Promise<void> => {
    const whole = { ...options, body: options.body ? body : null };
    for (let tries = 1; ; tries += 1) {
      const current = await (passage ? passage.renew() : call.begin());
      passage = current;
      if (over) giveBack(current);
      const late = await new Promise<boolean>((resolve) => {
        dispatch(whole, checked(current, handler, resolve));
      });
      if (!late) break;
      if (over) throw new LateError('nobody waits for the answer any more');
      if (tries === mostTries) throw new LimiterTimeoutError(`${tries} permits in a row ${tooLate}`);
    }
  };

  return {
    send: async (dispatch, options, handler) => {
      try {
        await go(dispatch, options, handler);
      } catch (error) {
        failure = { error };
        handler.onResponseError?.(nobody, asError(error));
      }
    },
    giveUp: () => {
      over = true;
      // What has been written has been sent by now: to that this word means nothing.
      if (passage) giveBack(passage);
    },
    get failure() {
      return failure;
    },
  };
};

const giveBack = ({ permits }: Passage): void => {
  for (const permit of permits) permit.unsent();
};

/** There is no request yet that could be paused or aborted. */
const nobody: Dispatcher.DispatchController = {
  aborted: true,
  paused: false,
  reason: null,
  rawHeaders: null,
  rawTrailers: null,
  abort: () => {},
  pause: () => {},
  resume: () => {},
};

/** `begins` is told whether the permits are too late; if they are, they have been given back. */
const checked = (passage: Passage, handler: Handler, begins: (late: boolean) => void): Handler => {
  const { permits } = passage;
  let begun = false;
  const over = (): void => {
    if (begun) for (const permit of permits) permit.sent();
    else giveBack(passage);
    passage.end();
  };
  return {
    onRequestStart: (controller, context) => {
      if (!permits.every((permit) => permit.inTime())) throw new LateError('its permit has run out, or has been used');
      handler.onRequestStart?.(controller, context);
      begun = !controller.aborted;
      if (begun) begins(false);
    },
    onBodySent: (chunk) => handler.onBodySent?.(chunk),
    onRequestSent: () => {
      for (const permit of permits) permit.sent();
      handler.onRequestSent?.();
    },
    onResponseStarted: () => {
      for (const permit of permits) permit.heard();
      handler.onResponseStarted?.();
    },
    onRequestUpgrade: (...upgrade) => handler.onRequestUpgrade?.(...upgrade),
    onResponseStart: (controller, status, headers, message) => {
      passage.heard(headers);
      handler.onResponseStart?.(controller, status, headers, message);
    },
    onResponseData: (controller, chunk) => handler.onResponseData?.(controller, chunk),
    onResponseEnd: (controller, trailers) => {
      over();
      handler.onResponseEnd?.(controller, trailers);
    },
    onResponseError: (controller, error) => {
      const again = error instanceof LateError && !begun;
      over();
      begins(again);
      if (!again) handler.onResponseError?.(controller, error);
    },
  };
};
