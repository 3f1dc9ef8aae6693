/**
 * Errors that somebody branches on; `index.ts` names the public ones, and a few stand with what throws them. All have a
 * stable `code`: see `isTroupeError`.
 */
import { type Duration, toMs } from './duration.ts';
import { TroupeError } from './error.ts';

export { isTroupeError, TroupeError } from './error.ts';

interface Cause {
  readonly cause?: unknown;
}

// What comes of tasks, and of what is asked of Troupe.

/** Thrown by a handler: this task must not be tried again. It fails at once. */
export class NonRetryableError extends TroupeError {
  override readonly name = 'NonRetryableError';
  override readonly code = 'non_retryable';
}

export interface RetryAfterOptions extends Cause {
  readonly message?: string;
  /** Recorded steps and calls to make anew, by `<name>`, which is all of that name, or `<name>:<key>`. */
  readonly forget?: readonly string[];
  /** Where the task's own backoff is longer, that counts; false. */
  readonly orLater?: boolean;
}

/** Thrown by a handler: try again after `after`. Counts as a failure like any other. */
export class RetryAfterError extends TroupeError {
  override readonly name = 'RetryAfterError';
  override readonly code = 'retry_after';
  /** Milliseconds from the throw; absent if a date was given. */
  readonly afterMs?: number;
  readonly at?: Date;
  readonly forget: readonly string[];
  readonly orLater: boolean;

  /** Throws InvalidDurationError if `after` is neither a duration nor a valid date. */
  constructor(after: Duration | Date, { message, forget = [], orLater = false, ...cause }: RetryAfterOptions = {}) {
    super(message ?? `retry ${after instanceof Date ? `at ${String(after)}` : `after ${after}`}`, cause);
    this.forget = forget;
    this.orLater = orLater;
    if (after instanceof Date && !Number.isNaN(after.getTime())) this.at = after;
    else this.afterMs = toMs(after, 'RetryAfterError');
  }
}

/** A run ended without a result: rejected, or dead after its last attempt. The message is its last error's. */
export class TaskFailedError extends TroupeError {
  override readonly name = 'TaskFailedError';
  override readonly code = 'task_failed';
  readonly id: string;
  readonly attempts: number;

  constructor(message: string, { id, attempts, ...cause }: Cause & { readonly id: string; readonly attempts: number }) {
    super(message, cause);
    this.id = id;
    this.attempts = attempts;
  }
}

/** Not accepted: a queue is full, the projection too far behind, or too many follow already. Nothing was stored. */
export class OverloadedError extends TroupeError {
  override readonly name = 'OverloadedError';
  override readonly code = 'overloaded';
  readonly retryAfterMs: number;

  constructor(message: string, { retryAfterMs, ...cause }: Cause & { readonly retryAfterMs: number }) {
    super(message, cause);
    this.retryAfterMs = retryAfterMs;
  }
}

/** What a Standard Schema says is wrong; its `StandardSchemaV1.Issue`. */
export interface Issue {
  readonly message: string;
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined;
}

/** The input does not fit its schema, or is no input at all. Never retried. */
export class InvalidInputError extends TroupeError {
  override readonly name = 'InvalidInputError';
  override readonly code = 'invalid_input';
  readonly issues: readonly Issue[];

  constructor(message: string, { issues = [], ...cause }: Cause & { readonly issues?: readonly Issue[] } = {}) {
    super(message, cause);
    this.issues = issues;
  }
}

/** Somebody cancelled the task. Also the reason its `abortSignal` aborts. */
export class TaskCancelledError extends TroupeError {
  override readonly name = 'TaskCancelledError';
  override readonly code = 'task_cancelled';
}

/** The time given ran out. */
export class DeadlineExceededError extends TroupeError {
  override readonly name = 'DeadlineExceededError';
  override readonly code = 'deadline_exceeded';
}

/** No permit within `maxWait`. */
export class LimiterTimeoutError extends TroupeError {
  override readonly name = 'LimiterTimeoutError';
  override readonly code = 'limiter_timeout';
}

/**
 * None of a model's providers gave an answer: they could not be reached, failed, or broke off. The attempt fails, and
 * the task is tried again, not before `retryAfterMs` where that is known. `cause` is the last provider's error. Where none
 * was asked (`untried`), as all have failed too often of late, it counts as no failure: `deadline` bounds such a task.
 */
export class ModelUnavailableError extends TroupeError {
  override readonly name = 'ModelUnavailableError';
  override readonly code = 'model_unavailable';
  readonly retryAfterMs?: number;
  readonly untried: boolean;

  constructor(
    message: string,
    {
      retryAfterMs,
      untried = false,
      ...cause
    }: Cause & { readonly retryAfterMs?: number; readonly untried?: boolean } = {},
  ) {
    super(message, cause);
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
    this.untried = untried;
  }
}

/** The id is taken by a task with another input, or that of a redrive by the redrive of an earlier task. */
export class IdConflictError extends TroupeError {
  override readonly name = 'IdConflictError';
  override readonly code = 'id_conflict';
}

/** Another attempt holds the task by now; whatever this one still does is not recorded. */
export class FencedError extends TroupeError {
  override readonly name = 'FencedError';
  override readonly code = 'fenced';
}

/** Two steps of one task have the same name and key. */
export class AmbiguousStepError extends TroupeError {
  override readonly name = 'AmbiguousStepError';
  override readonly code = 'ambiguous_step';
}

/** No task has this name. The message offers the one that was probably meant. */
export class UnknownTaskError extends TroupeError {
  override readonly name = 'UnknownTaskError';
  override readonly code = 'unknown_task';
}

/** There is no such thing: no run, no record, no key. */
export class NotFoundError extends TroupeError {
  override readonly name = 'NotFoundError';
  override readonly code = 'not_found';
}

/** Everything that is wrong with a configuration, at once. */
export class ConfigurationError extends TroupeError {
  override readonly name = 'ConfigurationError';
  override readonly code = 'configuration';
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[], cause: Cause = {}) {
    super(`invalid configuration\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}`, cause);
    this.mistakes = mistakes;
  }
}

// What ports throw, and users may meet too.

/** No answer in time. Whether it was done is unknown: send the same write again (R4). */
export class TimeoutError extends TroupeError {
  override readonly name = 'TimeoutError';
  override readonly code = 'timeout';
}

/** A compare-and-set found another revision than it expected. Nothing was written. */
export class ConflictError extends TroupeError {
  override readonly name = 'ConflictError';
  override readonly code = 'conflict';
  /** The revision that is there, where the server tells; 0 if there is none. */
  readonly revision?: number;

  constructor(message: string, { revision, ...cause }: Cause & { readonly revision?: number } = {}) {
    super(message, cause);
    if (revision !== undefined) this.revision = revision;
  }
}

/** Nobody answers, or there is no connection: it was not done. */
export class UnavailableError extends TroupeError {
  override readonly name = 'UnavailableError';
  override readonly code = 'unavailable';
}

/** The server refused, as a full stream does; the message is its own description. It was not done. */
export class RefusedError extends TroupeError {
  override readonly name = 'RefusedError';
  override readonly code = 'refused';
}

/** Larger than the server, or Troupe, takes in one message. It was not sent. */
export class PayloadTooLargeError extends TroupeError {
  override readonly name = 'PayloadTooLargeError';
  override readonly code = 'payload_too_large';
}

/** A name that cannot be one on the wire: `*`, `>`, a dot or a space in it would address something else. */
export class InvalidNameError extends TroupeError {
  override readonly name = 'InvalidNameError';
  override readonly code = 'invalid_name';

  constructor(what: string, name: unknown, remedy = 'give 1 to 64 characters of A-Z a-z 0-9 _ -') {
    const shown = typeof name === 'string' ? JSON.stringify(name.slice(0, 80)) : typeof name;
    super(`${shown} cannot be the name of ${what}: ${remedy}`);
  }
}

// What actors and supervisors throw.

/** More restarts than a supervisor's intensity allows. `cause` is the last crash, if it was one. */
export class RestartIntensityError extends TroupeError {
  override readonly name = 'RestartIntensityError';
  override readonly code = 'restart_intensity';
}

/** A message that its actor's state rules out: a bug, so the actor crashes. */
export class UnexpectedMessageError extends TroupeError {
  override readonly name = 'UnexpectedMessageError';
  override readonly code = 'unexpected_message';

  constructor(state: string, message: string) {
    super(`"${message}" arrived while "${state}"`);
  }
}

/** The actor has as many messages waiting as it may. The message was not taken: slow down, or ask. */
export class MailboxFullError extends TroupeError {
  override readonly name = 'MailboxFullError';
  override readonly code = 'mailbox_full';
}

/** What an actor answered cannot be sent, or cannot be read. The actor is at fault, not who asked it. */
export class InvalidAnswerError extends TroupeError {
  override readonly name = 'InvalidAnswerError';
  override readonly code = 'invalid_answer';
}
