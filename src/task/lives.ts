/** The attempts that run now, so that they can be told to stop. */
import { TaskCancelledError } from '../kernel/errors.ts';

export interface Lives {
  /** The controller of a new attempt at the task; aborted already, if everything is being stopped. */
  begin(recordKey: string): AbortController;
  end(recordKey: string, life: AbortController): void;
  /** Stops the attempt at this task, if it runs here. */
  cancel(recordKey: string): void;
  /** Stops all that runs, and all that begins from now on. */
  stop(reason: Error): void;
}

export const lives = (): Lives => {
  const running = new Map<string, AbortController>();
  let stopped: Error | undefined;
  return {
    begin: (recordKey) => {
      const life = new AbortController();
      if (stopped) life.abort(stopped);
      running.set(recordKey, life);
      return life;
    },
    end: (recordKey, life) => {
      if (running.get(recordKey) === life) running.delete(recordKey);
    },
    cancel: (recordKey) => running.get(recordKey)?.abort(new TaskCancelledError(`task ${recordKey} was cancelled`)),
    stop: (reason) => {
      stopped = reason;
      for (const life of running.values()) life.abort(reason);
    },
  };
};
