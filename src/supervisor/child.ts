import { atMost, type Clock } from '../kernel/clock.ts';
import type { Start } from '../kernel/process.ts';

/** When a child that has exited is started again. The words are OTP's. */
export type Restart = 'permanent' | 'transient' | 'temporary';

export interface ChildSpec {
  /** Unique among the children of a supervisor. */
  readonly id: string;
  readonly start: Start;
  readonly restart: Restart;
  /** How long a stop may take before the child is left behind: a promise cannot be killed. `Infinity` for a supervisor. */
  readonly shutdownMs: number;
}

export type Exit = { readonly type: 'normal' } | { readonly type: 'crashed'; readonly error: unknown };

export interface Child {
  readonly spec: ChildSpec;
  /** Rejects if the child fails to start. */
  readonly ready: Promise<unknown>;
  /** Never rejects. A failed start counts as a crash. */
  readonly exit: Promise<Exit>;
  readonly status: 'starting' | 'running' | 'exited';
  /** Resolves with false if it had not exited after `shutdownMs` and was left behind. */
  stop(): Promise<boolean>;
}

export const launch = (spec: ChildSpec, clock: Clock): Child => {
  const abort = new AbortController();
  let status: Child['status'] = 'starting';
  const ready = Promise.resolve(abort.signal).then(spec.start);
  const exit = ready
    .then((process) => {
      status = 'running';
      return process.exit;
    })
    .then(
      (): Exit => ({ type: 'normal' }),
      (error: unknown): Exit => ({ type: 'crashed', error }),
    )
    .finally(() => {
      status = 'exited';
      abort.abort(); // What the child tied to its signal ends with it.
    });
  return {
    spec,
    ready,
    exit,
    get status() {
      return status;
    },
    stop: () => {
      abort.abort();
      return atMost(clock, spec.shutdownMs, exit);
    },
  };
};
