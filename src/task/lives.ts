/** The attempts that run now, so that they can be told to stop. */
import { TaskCancelledError } from '../kernel/errors.ts';

export interface Lives {
  /** The controller of a new attempt at the task; aborted already, if everything is being stopped. */
  begin(recordKey: string): AbortController;
  end(recordKey: string, life: AbortController): void;
  /** Whether one runs here. */
  has(recordKey: string): boolean;
  /** Stops the attempts at this task that run here. */
  cancel(recordKey: string): void;
  /** Stops all that runs, and all that begins from now on. */
  stop(reason: Error): void;
}

export const lives = (): Lives => {
  // Twins, deliveries of two messages for one task, may run here side by side until one of them is fenced.
  const running = new Map<string, Set<AbortController>>();
  let stopped: Error | undefined;

  return {
    begin: (recordKey) => {
      const life = new AbortController();
      if (stopped) life.abort(stopped);
      const twins = running.get(recordKey);
      if (twins) twins.add(life);
      else running.set(recordKey, new Set([life]));
      return life;
    },
    end: (recordKey, life) => {
      const twins = running.get(recordKey);
      if (twins?.delete(life) && twins.size === 0) running.delete(recordKey);
    },
    has: (recordKey) => running.has(recordKey),
    cancel: (recordKey) => {
      const reason = new TaskCancelledError(`task ${recordKey} was cancelled`);
      for (const life of running.get(recordKey) ?? []) life.abort(reason);
    },
    stop: (reason) => {
      stopped = reason;
      for (const life of [...running.values()].flatMap((twins) => [...twins])) life.abort(reason);
    },
  };
};
