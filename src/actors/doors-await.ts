/** Answering when a task has ended, or with what it is by then: for a bounded time, for a bounded number at once. */
import { OverloadedError } from '../kernel/errors.ts';
import { linked } from '../kernel/signal.ts';
import type { Ends } from '../task/ends.ts';
import type { TaskPorts } from '../task/ports.ts';
import type { TaskStatus } from '../task/status.ts';
import type { AwaitOptions } from '../task/doors.ts';

/** At once. */
const awaitsMost = 1_000;
const retryAfterMs = 5_000;

/** `over` when the time is up; otherwise what `ends` found. */
export type Awaited = { readonly type: 'over' } | { readonly type: 'ended'; readonly status: TaskStatus | undefined };

export const awaiting = ({ clock }: Pick<TaskPorts, 'clock'>, waits: Ends) => {
  let waiting = 0;

  const untilEnd = async (recordKey: string, { timeoutMs, signal }: AwaitOptions): Promise<Awaited> => {
    const life = linked(signal);
    const timeout = clock.timer(timeoutMs, () => life.abort());
    try {
      return { type: 'ended', status: await waits.of(recordKey, { signal: life.signal, fresh: false }) };
    } catch (error) {
      if (!life.signal.aborted) throw error;
      return { type: 'over' };
    } finally {
      timeout.cancel();
      life.abort();
    }
  };

  return async (recordKey: string, options: AwaitOptions): Promise<Awaited> => {
    if (waiting >= awaitsMost)
      throw new OverloadedError(`${waiting} requests wait for tasks already; ask get.${recordKey} now and then`, {
        retryAfterMs,
      });
    waiting += 1;
    try {
      return await untilEnd(recordKey, options);
    } finally {
      waiting -= 1;
    }
  };
};
