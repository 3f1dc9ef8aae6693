/** How long a call may wait for its permits, and what it is told when it has. */
import type { Clock } from '../kernel/clock.ts';
import { DeadlineExceededError, LimiterTimeoutError } from '../kernel/errors.ts';
import { longestMs } from '../limiter/messages.ts';
import type { Task } from '../task/message.ts';
import type { TaskPorts } from '../task/ports.ts';

export interface Patience {
  /** What is left, in ms; 0 or less: nothing. */
  leftMs(): number;
  /** What to throw once nothing is. `for`: what was waited for. */
  over(waitedFor: string): Error;
}

export interface Limits {
  /** Of this call's waiting, in ms; none. */
  readonly maxWaitMs: number | undefined;
  /** Of the task, on the server's clock; none. */
  readonly deadlineAt: number | undefined;
}

/** Begins to count when it is made. */
export const patience = (
  clock: Pick<Clock, 'monotonic'>,
  now: () => number,
  { maxWaitMs = longestMs, deadlineAt = Number.POSITIVE_INFINITY }: Limits,
): Patience => {
  const from = clock.monotonic();
  const ownMs = (): number => maxWaitMs - (clock.monotonic() - from);
  const taskMs = (): number => deadlineAt - now();
  return {
    leftMs: () => Math.min(longestMs, ownMs(), taskMs()),
    over: (waitedFor) =>
      taskMs() <= ownMs()
        ? new DeadlineExceededError(
            `the task's deadline, ${new Date(deadlineAt).toISOString()}, passed before ${waitedFor}`,
          )
        : new LimiterTimeoutError(`${waitedFor} did not come within maxWait, ${maxWaitMs} ms`),
  };
};

/** That of a call for this task. */
export const patienceOf = (
  { clock, queue }: Pick<TaskPorts, 'clock' | 'queue'>,
  { deadlineAt }: Pick<Task, 'deadlineAt'>,
  maxWaitMs: number | undefined,
): Patience => patience(clock, () => queue.now(), { maxWaitMs, deadlineAt });
