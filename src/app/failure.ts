/** What a thrown error means for the task: another attempt, or none. */
import { isTroupeError, RetryAfterError } from '../kernel/errors.ts';
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

export const outcomeOf = (error: unknown, now: number): Outcome => {
  const failure = failureOf(error);
  if (isTroupeError(error) ? hopeless.has(error.code) : refusals.has(providerStatus(error) ?? 0))
    return { type: 'rejected', error: failure };
  if (!(error instanceof RetryAfterError)) return { type: 'failed', error: failure };
  const retryAfterMs = error.afterMs ?? Math.max(0, (error.at?.getTime() ?? now) - now);
  return { type: 'failed', error: failure, retryAfterMs, forget: error.forget };
};

/** Of the AI SDK's `APICallError`, whichever copy of the package threw it. */
const providerStatus = (error: unknown): number | undefined =>
  error instanceof Error &&
  error.name === 'AI_APICallError' &&
  'statusCode' in error &&
  typeof error.statusCode === 'number'
    ? error.statusCode
    : undefined;

export const failureOf = (error: unknown): Failure => {
  if (!(error instanceof Error)) return { code: 'thrown', message: scrub(describe(error)).slice(0, messageMax) };
  const code = 'code' in error && typeof error.code === 'string' ? error.code.slice(0, 64) : 'error';
  const message = scrub(error.message || error.name).slice(0, messageMax);
  return { code, message, ...(error.stack === undefined ? {} : { stack: scrub(error.stack).slice(0, stackMax) }) };
};

const describe = (thrown: unknown): string => {
  try {
    return `${typeof thrown} was thrown, which is no Error: ${String(JSON.stringify(thrown) ?? thrown)}`;
  } catch {
    return `${typeof thrown} was thrown, which is no Error and cannot be shown`;
  }
};
