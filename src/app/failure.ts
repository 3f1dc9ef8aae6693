/** What a thrown error means for the task: another attempt, or none. */
import { isTroupeError, ModelUnavailableError, RetryAfterError } from '../kernel/errors.ts';
import { scrub } from '../kernel/redact.ts';
import type { Outcome } from '../task/executor.ts';
import type { Failure } from '../task/record.ts';

/** Codes of ours that no further attempt would change. */
const hopeless = new Set([
  'non_retryable',
  'invalid_input',
  'ambiguous_step',
  'payload_too_large',
  'id_conflict',
  'unknown_task',
  'invalid_name',
  'invalid_duration',
  'too_deep',
]);
/** A provider's refusals that the same request would only meet again. */
const refusals = new Set([400, 401, 403, 404, 413, 422]);

const messageMax = 2_000;
const stackMax = 4_000;

/** Never throws, whatever was thrown. `blamed`: recorded steps that are to be made anew. */
export const outcomeOf = (error: unknown, now: number, blamed: readonly string[] = []): Outcome => {
  try {
    return outcomeOfReadable(error, now, blamed);
  } catch {
    return { type: 'failed', error: unreadable };
  }
};

const outcomeOfReadable = (error: unknown, now: number, blamed: readonly string[]): Outcome => {
  const failure = failureOf(error);
  if (isTroupeError(error) ? hopeless.has(error.code) : refusals.has(providerStatus(error) ?? 0))
    return { type: 'rejected', error: failure };
  const forget = blamed.length === 0 ? {} : { forget: blamed };
  if (error instanceof ModelUnavailableError) {
    const { retryAfterMs: notBeforeMs = 0, untried } = error;
    return { type: 'failed', error: failure, notBeforeMs, untried, ...forget };
  }
  if (!(error instanceof RetryAfterError)) return { type: 'failed', error: failure, ...forget };
  const afterMs = error.afterMs ?? Math.max(0, (error.at?.getTime() ?? now) - now);
  const when = error.orLater ? { notBeforeMs: afterMs } : { retryAfterMs: afterMs };
  return { type: 'failed', error: failure, ...when, forget: [...error.forget, ...blamed] };
};

/** Of the AI SDK's `APICallError`, whichever copy of the package threw it. */
const providerStatus = (error: unknown): number | undefined =>
  error instanceof Error &&
  error.name === 'AI_APICallError' &&
  'statusCode' in error &&
  typeof error.statusCode === 'number'
    ? error.statusCode
    : undefined;

/** Never throws either. */
export const failureOf = (error: unknown): Failure => {
  try {
    return error instanceof Error ? failureOfError(error) : { code: 'thrown', message: tell(describe(error)) };
  } catch {
    return unreadable;
  }
};

/** A proxy or a getter that throws itself. */
const unreadable: Failure = { code: 'thrown', message: 'something was thrown that cannot be shown' };

/** An error's fields may be anything: JavaScript lets them be set. */
const failureOfError = (error: Error): Failure => {
  const { name, message, stack }: { readonly [field in 'name' | 'message' | 'stack']?: unknown } = error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code.slice(0, 64) : 'error';
  const told = { code, message: tell(String(message || name)) };
  return typeof stack === 'string' ? { ...told, stack: scrub(stack).slice(0, stackMax) } : told;
};

const tell = (text: string): string => scrub(text).slice(0, messageMax);

const describe = (thrown: unknown): string =>
  `${typeof thrown} was thrown, which is no Error: ${String(JSON.stringify(thrown) ?? thrown)}`;
