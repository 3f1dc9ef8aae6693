/** An input on its way out: the bytes that travel, and the value they stand for. */
import { InvalidInputError, PayloadTooLargeError } from '../kernel/errors.ts';
import { decodeJson, throughJson } from '../task/json.ts';
import { inputHash } from '../task/message.ts';
import type { Json } from '../task/record.ts';

export interface EncodedInput {
  readonly payload: Uint8Array;
  readonly value: Json;
  /** Tells whether another task has the same input. */
  readonly hash: string;
}

/** Throws `InvalidInputError` for what JSON cannot hold or nobody should be sent, `PayloadTooLargeError`. */
export const encodeInput = (input: unknown, type: string): EncodedInput => {
  const what = `the input of task "${type}"`;
  const text = textOf(input, what);
  const payload = Buffer.from(text);
  const decoded = decodeJson(payload, text);
  if (decoded.type === 'json') return { payload, value: decoded.value, hash: inputHash(decoded.value) };
  if (decoded.reason === 'payload_too_large') throw new PayloadTooLargeError(`${what}: ${decoded.message}`);
  throw new InvalidInputError(`${what}: ${decoded.message}`);
};

/** A task that takes nothing is sent `null`. */
const textOf = (input: unknown, what: string): string => {
  try {
    const text = JSON.stringify(input) ?? 'null';
    // Where there is a null there may have been a NaN.
    if (text.includes('null')) throughJson(input, what);
    return text;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.slice(0, 200) : String(cause);
    throw new InvalidInputError(
      cause instanceof TypeError && why.startsWith(what) ? why : `${what} is no JSON: ${why}`,
      { cause },
    );
  }
};
