/** One submitted task in its submitter's hands. */
import { taskKey } from '../bus/subjects.ts';
import { type Duration, formatMs, toMs } from '../kernel/duration.ts';
import { revive } from '../kernel/error.ts';
import {
  DeadlineExceededError,
  IdConflictError,
  NotFoundError,
  TaskCancelledError,
  TaskFailedError,
} from '../kernel/errors.ts';
import { linked } from '../kernel/signal.ts';
import type { TaskStatus, WaitingFor } from '../task/status.ts';
import type { Core } from './core.ts';
import { messageStream } from './message-stream.ts';
import { runEvents } from './run-events.ts';
import type { Run, TaskState } from './types.ts';

export interface RunIdentity {
  readonly type: string;
  readonly id: string;
  readonly duplicate: boolean;
  /** Of what this client has submitted; absent for a run that it was only given the id of. */
  readonly inputHash?: string;
}

export const runOf = (core: Core, identity: RunIdentity): Run => {
  const { type, id, duplicate, inputHash } = identity;
  const recordKey = taskKey(type, id);
  const fresh = inputHash !== undefined && !duplicate;
  const followed = { recordKey, fresh, missing: () => notFound(identity) };
  return {
    id,
    type,
    duplicate,
    result: async (options) => {
      const status = await endOf(core, recordKey, fresh, options);
      return outputOf(identity, status ?? unknown(identity));
    },
    status: async () => {
      core.alive();
      return stateOf((await core.find(recordKey)) ?? unknown(identity));
    },
    events: (options = {}) => runEvents(core, followed, options),
    uiMessageStream: (options = {}) => messageStream((follow) => runEvents(core, followed, follow), options),
    cancel: async (reason) => void (await core.doors.cancel(recordKey, reason)),
    retry: async ({ forget = [] } = {}) => ({ id: await core.doors.retry(recordKey, forget) }),
  };
};

const notFound = ({ type, id }: RunIdentity): NotFoundError =>
  new NotFoundError(`there is no ${type} "${id.slice(0, 80)}": it was never submitted, or its history is gone`);

const unknown = (identity: RunIdentity): never => {
  throw notFound(identity);
};

interface Patience {
  readonly timeout?: Duration;
  readonly abortSignal?: AbortSignal;
}

const endOf = async (
  { waits, alive, ports: { clock } }: Core,
  recordKey: string,
  fresh: boolean,
  { timeout, abortSignal }: Patience = {},
): Promise<TaskStatus | undefined> => {
  alive();
  if (timeout === undefined && abortSignal === undefined) return waits.of(recordKey, { fresh });
  const timeoutMs = timeout === undefined ? undefined : toMs(timeout, 'timeout');
  const life = linked(abortSignal);
  const timer =
    timeoutMs === undefined ? undefined : clock.timer(timeoutMs, () => life.abort(tooLong(recordKey, timeoutMs)));
  try {
    return await waits.of(recordKey, { fresh, signal: life.signal });
  } finally {
    timer?.cancel();
    life.abort();
  }
};

/** Waiting is over, not what was waited for. */
export const tooLong = (what: string, ms: number, cause?: unknown): DeadlineExceededError =>
  new DeadlineExceededError(
    `${what} has not ended within ${formatMs(ms)}; it goes on`,
    cause === undefined ? {} : { cause },
  );

/** Throws for every end but `completed`. */
const outputOf = (
  { type, id, inputHash }: RunIdentity,
  { status, output, error, attempt, ...found }: TaskStatus,
): unknown => {
  if (inputHash !== undefined && found.inputHash !== '' && found.inputHash !== inputHash)
    throw new IdConflictError(`id "${id}" belongs to another "${type}" than this one, with another input`);
  if (status === 'completed') return output;
  const message = error?.message ?? `${type} "${id}" is ${status}`;
  if (status === 'cancelled') throw new TaskCancelledError(message);
  throw new TaskFailedError(message, { id, attempts: attempt, cause: error && revive(error) });
};

const stateOf = ({
  id,
  type,
  status,
  attempt,
  pool,
  lane,
  waitingFor,
  output,
  error,
  usage,
}: TaskStatus): TaskState => ({
  usage,
  id,
  type,
  status,
  attempt,
  pool,
  lane,
  ...(waitingFor && { waitingFor: dated(waitingFor) }),
  ...(output !== undefined && { output }),
  ...(error && { error: { code: error.code, message: error.message } }),
});

const dated = ({ until, ...waitingFor }: WaitingFor): NonNullable<TaskState['waitingFor']> => ({
  ...waitingFor,
  ...(until !== undefined && { until: new Date(until) }),
});
