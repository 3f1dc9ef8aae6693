/**
 * Everything that can be asked about tasks, whatever way the question comes: the service for `nats` and the HTTP door
 * ask the same doors. What is thrown is typed, and names what is wrong, the value and the remedy.
 */
import type { Headers } from '../bus/bus.ts';
import type { TaskStatus } from './status.ts';

/** Each answer carries the next commands for `nats`. */
interface Answer {
  readonly next: readonly string[];
}

export interface SubmitAnswer extends Answer {
  readonly type: string;
  readonly id: string;
  readonly status: TaskStatus['status'];
  /** The id was known, with the same input: this is the earlier task. */
  readonly duplicate: boolean;
}

export type StatusAnswer = Omit<TaskStatus, 'outputRef'> & Answer;

export interface WhyAnswer extends Answer, Pick<TaskStatus, 'type' | 'id' | 'status' | 'waitingFor'> {
  /** For people. */
  readonly why: string;
}

export interface CancelAnswer extends Answer, Pick<TaskStatus, 'type' | 'id' | 'status'> {
  /** Whether this request did it; false for a task that had ended. */
  readonly cancelled: boolean;
}

export interface RetryAnswer extends Answer, Pick<TaskStatus, 'type' | 'id' | 'status'> {
  readonly redriveOf: string;
}

/** `queued` are those whose record has not reached the history yet. */
export interface CountsAnswer extends Answer, Readonly<Record<TaskStatus['status'], number>> {
  readonly group: string;
  readonly total: number;
}

export interface AwaitOptions {
  readonly timeoutMs: number;
  /** Ends the waiting as the timeout does. */
  readonly signal: AbortSignal;
}

/**
 * All of them throw `InvalidNameError` for a type or id that cannot be one, and `UnavailableError` or `TimeoutError`
 * where a server does not answer; those about one task, `NotFoundError`.
 */
export interface Doors {
  /**
   * `payload` is the input, as JSON; `headers` are those of `tasks.<type>`. Throws `InvalidInputError`,
   * `PayloadTooLargeError`, `UnknownTaskError`, `IdConflictError`, `OverloadedError`.
   */
  submit(type: string, payload: Uint8Array, headers: Headers): Promise<SubmitAnswer>;
  get(type: string, id: string): Promise<StatusAnswer>;
  /** The status at the end, or what it is when the time is up. Throws `OverloadedError` where too many wait. */
  await(type: string, id: string, options: AwaitOptions): Promise<StatusAnswer>;
  why(type: string, id: string): Promise<WhyAnswer>;
  cancel(type: string, id: string, reason: string | undefined): Promise<CancelAnswer>;
  /** Tries a dead task again, as a new one. Throws `InvalidInputError` where its input is the trouble. */
  retry(type: string, id: string, options?: { readonly forget?: readonly string[] }): Promise<RetryAnswer>;
  counts(group: string): Promise<CountsAnswer>;
  close(): void;
}
