/** What may be said beside a task's name. */
import { z } from 'zod';
import { toMs } from '../kernel/duration.ts';
import { decodeJson } from './json.ts';
import { BadInputError } from './problem.ts';

const defaultMs = 30_000;
const mostMs = 600_000;

/** How long a request may wait for an end: 30 s, at most 10 minutes. Throws `InvalidDurationError`. */
export const awaitMs = (timeout: string | number | undefined): number =>
  toMs(timeout ?? defaultMs, 'timeout', { maxMs: mostMs });

const awaitOptions = z.strictObject({ timeout: z.union([z.string(), z.number()]).optional() });
const cancelOptions = z.strictObject({ reason: z.string().min(1).max(500).optional() });
/** A step's name, and its key. */
const titleMax = 128 + ':'.length + 256;
const retryOptions = z.strictObject({ forget: z.array(z.string().max(titleMax)).max(200).default([]) });

/** From a body such as `{"timeout":"30s"}`, or none. Throws `BadInputError`, `InvalidDurationError`. */
export const awaitMsOf = (body: Uint8Array): number => awaitMs(optionsOf(awaitOptions, body).timeout);

/** From a body such as `{"reason":"no longer wanted"}`, or none. Throws `BadInputError`. */
export const cancelReasonOf = (body: Uint8Array): string | undefined => optionsOf(cancelOptions, body).reason;

/** From a body such as `{"forget":["fetch"]}`, or none. Throws `BadInputError`. */
export const forgetOf = (body: Uint8Array): readonly string[] => optionsOf(retryOptions, body).forget;

const optionsOf = <Options>(schema: z.ZodType<Options>, body: Uint8Array): Options => {
  const decoded = body.length === 0 ? ({ type: 'json', value: {} } as const) : decodeJson(body);
  if (decoded.type === 'bad') throw new BadInputError(decoded.message, decoded.reason);
  const { success, data, error } = schema.safeParse(decoded.value);
  if (success) return data;
  throw new BadInputError(`the options: ${z.prettifyError(error).slice(0, 300)}`, 'invalid_option');
};
