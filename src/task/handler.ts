/** A handler under its limits: it ends by itself, or its time, its task or its worker does. */
import { DeadlineExceededError, TimeoutError, TroupeError } from '../kernel/errors.ts';
import type { Timer } from '../kernel/clock.ts';
import { inNameOf, UncaughtError } from '../kernel/stray.ts';
import { emitter } from './events.ts';
import type { Attempt, Outcome, Runnable } from './executor.ts';
import { decodeJson } from './json.ts';
import { journal } from './journal.ts';
import type { Life } from './lives.ts';
import type { Task } from './message.ts';
import type { TaskPorts } from './ports.ts';
import type { TaskRecord } from './record.ts';
import type { StartPermit } from './start-permit.ts';
import type { RecordWriter } from './writer.ts';

/** The reason a worker's tasks abort when it must stop: they go back to the queue. */
export class DrainedError extends TroupeError {
  override readonly name = 'DrainedError';
  override readonly code = 'drained';
}

/** What came of it: an outcome, or the reason for which nobody waited for one. */
export type Handled =
  | { readonly type: 'outcome'; readonly outcome: Outcome }
  | { readonly type: 'stopped'; readonly reason: unknown };

export interface AttemptOptions {
  readonly ports: TaskPorts;
  readonly task: Task;
  readonly runnable: Runnable;
  readonly record: TaskRecord;
  /** Resolves when it is known whose the task is, with `undefined` if another's. */
  readonly writer: Promise<RecordWriter | undefined>;
  /** Of this attempt alone. */
  readonly life: Life;
  /** Needed by a task that has a budget. */
  readonly permit: StartPermit | undefined;
}

export const attempted = ({
  ports,
  task,
  runnable,
  record,
  writer,
  life,
  permit,
}: AttemptOptions): Promise<Handled> => {
  const input = decodeJson(task.payload);
  if (input.type === 'bad') {
    const error = { code: input.reason, message: input.message };
    return Promise.resolve({ type: 'outcome', outcome: { type: 'refused', reason: 'invalid_json', error } });
  }
  const limits = limited(ports, task, runnable, life);
  if (!limits) return Promise.resolve({ type: 'stopped', reason: deadlineError(task) });
  if (permit && !permit.begin()) {
    limits.cancel();
    return Promise.resolve({ type: 'stopped', reason: new DrainedError('the permit for its start has run out') });
  }
  const attempt: Attempt = {
    task,
    input: input.value,
    number: record.attempt,
    startedAt: record.startedAt === undefined ? ports.queue.now() : Date.parse(record.startedAt),
    alone: record.alone === true || record.lost !== undefined,
    journal: journal(ports, writer, life),
    signal: life.signal,
    emit: emitter(ports, task, record.attempt),
  };
  const running = inNameOf({ name: task.recordKey, fail: life.abort }, () => runnable.run(attempt));
  return firstOf(life, running, limits);
};

/** Arms the nearer of timeout and deadline. `undefined` if the deadline has passed. */
const limited = (ports: TaskPorts, task: Task, runnable: Runnable, life: Life): Timer | undefined => {
  const leftMs = task.deadlineAt === undefined ? Number.POSITIVE_INFINITY : task.deadlineAt - ports.queue.now();
  if (leftMs <= 0) return undefined;
  const error = (): Error =>
    leftMs <= runnable.timeoutMs
      ? deadlineError(task)
      : new TimeoutError(
          `attempt of ${task.type} "${task.id}" took longer than its timeout of ${runnable.timeoutMs} ms`,
        );
  return ports.clock.timer(Math.min(leftMs, runnable.timeoutMs), () => life.abort(error()));
};

const deadlineError = ({ type, id, deadlineAt = 0 }: Task): DeadlineExceededError =>
  new DeadlineExceededError(`${type} "${id}" passed its deadline, ${new Date(deadlineAt).toISOString()}`);

/** The handler's outcome, or the reason for which it was aborted first: a handler that ignores it is left behind. */
const firstOf = (life: Life, running: Promise<Outcome>, limits: Timer): Promise<Handled> =>
  new Promise((resolve) => {
    const end = (handled: Handled): void => {
      limits.cancel();
      resolve(handled);
    };
    life.watch((reason) => end(afterAbort(reason)));
    void running.then((outcome) => end({ type: 'outcome', outcome })); // `run` never rejects.
  });

const afterAbort = (reason: unknown): Handled => {
  if (!(reason instanceof TimeoutError || reason instanceof UncaughtError)) return { type: 'stopped', reason };
  const { code, message } = reason;
  return { type: 'outcome', outcome: { type: 'failed', error: { code, message } } };
};
