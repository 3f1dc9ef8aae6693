/** The attempts that run now, so that they can be told to stop. */
import { TaskCancelledError } from '../kernel/errors.ts';
import { numbered } from '../kernel/numbered.ts';
import type { Pulse } from './pulse.ts';

/** One attempt's. */
export interface Life {
  readonly recordKey: string;
  /** For the handler. */
  readonly signal: AbortSignal;
  /** Only the first reason counts, and none when it is over. Answers whether this one did. */
  abort(reason: unknown): boolean;
  /**
   * Calls `aborted` with the reason, at once if there is one already. To listen to the signal instead would keep what the
   * listener refers to past the young generation.
   */
  watch(aborted: (reason: unknown) => void): void;
  /** Whether the task may be another's by now: it was not kept alive since it last was this one's for certain. */
  isDoubtful(): boolean;
  /** It is this one's for certain, by `ask`: while nothing is kept alive, for no longer than this. Rejects as that does. */
  confirm(ask: () => Promise<void>): Promise<void>;
  /** It runs no more: a cancellation or a stop is not for it. */
  end(): void;
}

export interface Lives {
  /** A new attempt at the task; aborted already, if everything is being stopped. */
  begin(recordKey: string): Life;
  /** Whether one runs here. */
  has(recordKey: string): boolean;
  /** Stops the attempts at this task that run here. */
  cancel(recordKey: string): void;
  /** Stops all that runs, and all that begins from now on. */
  stop(reason: Error): void;
}

type Beating = Pick<Pulse, 'isBroken' | 'breaks'>;

/** `beating`: the pulse that keeps alive what runs here. */
export const lives = (beating: Beating = { isBroken: () => false, breaks: () => 0 }): Lives => {
  // Twins, deliveries of two messages for one task, may run here side by side until one of them is fenced.
  const running = numbered<Life>();
  let stopped: Error | undefined;

  return {
    begin: (recordKey) => {
      const life = lifeOf(recordKey, beating, () => running.remove(number));
      const number = running.add(life);
      if (stopped) life.abort(stopped);
      return life;
    },
    has: (recordKey) => running.values().some((life) => life.recordKey === recordKey),
    cancel: (recordKey) => {
      const reason = new TaskCancelledError(`task ${recordKey} was cancelled`);
      for (const life of running.values()) if (life.recordKey === recordKey) life.abort(reason);
    },
    stop: (reason) => {
      stopped = reason;
      for (const life of running.values()) life.abort(reason);
    },
  };
};

const lifeOf = (recordKey: string, { isBroken, breaks }: Beating, end: () => void): Life => {
  let confirmedAt = breaks();
  const controller = new AbortController();
  const { signal } = controller;
  let watching: ((reason: unknown) => void) | undefined;
  let ended = false;
  return {
    recordKey,
    signal,
    abort: (reason) => {
      if (signal.aborted || ended) return false;
      controller.abort(reason);
      watching?.(reason);
      return true;
    },
    watch: (aborted) => {
      if (signal.aborted) aborted(signal.reason);
      else watching = aborted;
    },
    isDoubtful: () => isBroken() || breaks() !== confirmedAt,
    confirm: async (ask) => {
      const before = breaks();
      await ask();
      confirmedAt = before;
    },
    end: () => {
      ended = true;
      end();
    },
  };
};
