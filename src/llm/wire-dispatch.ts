/**
 * The check at the wire: undici says `onRequestStart` when a request has its connection, in the same turn in which it then
 * writes, and writes nothing where that throws. (`undici:client:sendHeaders` is heard a moment later, but all that can be
 * done there is to destroy the connection, and with it the time that it took: over TLS the next permit would be too late
 * as well.) A body that is one buffer is written in that turn too; `onRequestSent` follows.
 */
import type { Dispatcher } from 'undici';
import { LimiterTimeoutError } from '../kernel/errors.ts';
import type { OpenCall, Passage } from './wire-call.ts';

/** A request, and what became of it. */
export interface Sending {
  readonly call: OpenCall;
  readonly body: Uint8Array | null;
  /** Why no permit was to be had. */
  failed(error: unknown): void;
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

/** Sends one request by permits of its call, and anew by others as long as they come too late. Never rejects. */
export const send = async (dispatch: Dispatch, options: Options, handler: Handler, sending: Sending): Promise<void> => {
  const { call, body, failed } = sending;
  const whole = { ...options, body: options.body ? body : null };
  const isLate = (passage: Passage): Promise<boolean> =>
    new Promise((resolve) => {
      dispatch(whole, checked(passage, handler, resolve));
    });
  try {
    let passage = await call.begin();
    for (let tries = 1; await isLate(passage); tries += 1) {
      if (tries === mostTries) throw new LimiterTimeoutError(`${tries} permits in a row ${tooLate}`);
      passage = await passage.renew();
    }
  } catch (error) {
    failed(error);
    handler.onResponseError?.(nobody, asError(error));
  }
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
const checked = ({ permits, end }: Passage, handler: Handler, begins: (late: boolean) => void): Handler => {
  let begun = false;
  const over = (): void => {
    if (begun) for (const permit of permits) permit.sent();
    else for (const permit of permits) permit.unsent();
    end();
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
    onResponseStart: (...start) => handler.onResponseStart?.(...start),
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
