/**
 * Errors that nobody catches: thrown in a timer or by an emitter, or the reason of a promise that was left behind. What is
 * called in somebody's name stays in that name through all that it awaits and starts, so that somebody answers for them.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { summarise, TroupeError } from './error.ts';
import { scrub } from './redact.ts';

export interface Answerable {
  /** For the log. */
  readonly name: string;
  /** Makes the error its own failure. False if it is over already, and has none any more. */
  fail(error: UncaughtError): boolean;
}

/** An exception that was thrown where nobody could catch it, which is its `cause`. */
export class UncaughtError extends TroupeError {
  override readonly name = 'UncaughtError';
  override readonly code = 'uncaught_exception';
  constructor(cause: unknown) {
    const what = scrub(String(summarise(cause).message));
    super(`an exception was thrown where nobody could catch it: ${what}`, { cause });
  }
}

const names = new AsyncLocalStorage<Answerable>();

export const inNameOf = <T>(who: Answerable, work: () => T): T => names.run(who, work);

/** In whose name this is called, if in anybody's. */
export const whoAnswers = (): Answerable | undefined => names.getStore();
