/**
 * What nobody in the process has handled. A rejected promise is told of, and the node goes on. After an exception that nobody
 * caught nobody knows what was left undone: the task that it came from has failed an attempt, and the node stops in good
 * order, so that those beside it lose none. Where nobody answers for the exception, the node ends at once.
 */
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { UncaughtError, whoAnswers } from './stray.ts';

export interface Unhandled {
  /** Aborts when the node must stop. */
  readonly signal: AbortSignal;
  /** Nobody looks any more. */
  close(): void;
}

export interface UnhandledOptions {
  readonly log: Log;
  readonly metrics: Metrics;
  /** Ends the process. */
  readonly die: () => void;
}

export const watchUnhandled = ({ log, metrics, die }: UnhandledOptions): Unhandled => {
  const stop = new AbortController();

  const rejected = (err: unknown): void => {
    metrics.unhandledRejections.labels().inc();
    const what = 'a promise was rejected and nobody handles that; the node goes on. Await it, or catch it';
    log.error({ err, task: whoAnswers()?.name }, what);
  };

  const thrown = (err: unknown): void => {
    metrics.uncaughtExceptions.labels().inc();
    const who = whoAnswers();
    const failed = who?.fail(new UncaughtError(err)) ?? false;
    if (stop.signal.aborted && !failed) return; // What goes on throwing while the node stops has been told of.
    const fields = { err, task: who?.name };
    if (failed) {
      log.error(fields, 'an exception was thrown that nobody caught: its attempt has failed, and the node stops');
      stop.abort();
    } else {
      log.error(fields, 'an exception was thrown that nobody caught or answers for: the node ends at once');
      die();
    }
  };

  process.on('unhandledRejection', rejected);
  process.on('uncaughtException', thrown);
  return {
    signal: stop.signal,
    close: () => {
      process.off('unhandledRejection', rejected);
      process.off('uncaughtException', thrown);
    },
  };
};
