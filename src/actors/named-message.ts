/**
 * What travels between a named actor and those who reach it: JSON, as large as a task's input may be,
 * with the kind of message, its timeout and an error's code in headers.
 */
import { encodeJson } from '../bus/json.ts';
import { createHash } from 'node:crypto';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { z } from 'zod';
import type { Message as BusMessage } from '../bus/bus.ts';
import { revive } from '../kernel/error.ts';
import { InvalidAnswerError, InvalidInputError, PayloadTooLargeError, UnavailableError } from '../kernel/errors.ts';
import { decodeJson, inputBytesMax } from '../task/json.ts';
import type { ActorRef, ReplyTo } from './actor.ts';

export const typeHeader = 'Troupe-Message';
export const timeoutHeader = 'Troupe-Timeout';
/** The code of the error that the body describes as `{ "error": { "code", "message" } }`. */
export const errorHeader = 'Troupe-Error';

export const defaultTimeoutMs = 5_000;
const longestTimeoutMs = 3_600_000;

/** How an actor is reached by others than those who hold its address. */
export interface Named<Input, Message> {
  /** 1 to 64 characters of `A-Z a-z 0-9 _ -`. */
  readonly name: string;
  readonly ref: ActorRef<Message>;
  /**
   * What comes from outside is parsed with it; what it refuses never reaches the mailbox. Messages of
   * one sender stay in order as long as it answers without a promise.
   */
  readonly schema: StandardSchemaV1<unknown, Input>;
  /** The message for an input. Its answer goes to `reply` as anything JSON can hold; that of a tell is dropped. */
  readonly toMessage: (input: Input, reply: ReplyTo<unknown>) => Message;
}

/** The one way to the actor, for messages from here and from elsewhere: JSON in, the actor's answer out. */
export type Handle = (data: Uint8Array, request: Request) => Promise<unknown>;

export interface Request {
  readonly type: 'ask' | 'tell';
  readonly timeoutMs: number;
}

/** What nobody awaits an answer to is a tell. */
export const requestOf = ({ headers, reply }: BusMessage): Request => {
  const timeoutMs = Number(headers[timeoutHeader]);
  return {
    type: reply === undefined || headers[typeHeader] === 'tell' ? 'tell' : 'ask',
    timeoutMs: timeoutMs > 0 ? Math.min(timeoutMs, longestTimeoutMs) : defaultTimeoutMs,
  };
};

const nobody: ReplyTo<unknown> = { resolve: () => {}, reject: () => {} };

export const handlerOf =
  <Input, Message>({ name, ref, schema, toMessage }: Named<Input, Message>): Handle =>
  async (data, { type, timeoutMs }) => {
    const decoded = decodeJson(data);
    if (decoded.type === 'bad') throw new InvalidInputError(`message to the actor "${name}": ${decoded.message}`);
    const result = schema['~standard'].validate(decoded.value);
    // Only a schema that has to wait lets another message overtake this one.
    const { value: input } = accepted(name, result instanceof Promise ? await result : result);
    if (type === 'ask') return ref.ask((reply: ReplyTo<unknown>) => toMessage(input, reply), { timeoutMs });
    if (!ref.send(toMessage(input, nobody))) throw new UnavailableError(`${name} is not running`);
    return undefined;
  };

const accepted = <Input>(
  name: string,
  result: StandardSchemaV1.Result<Input>,
): StandardSchemaV1.SuccessResult<Input> => {
  if (!result.issues) return result;
  const issues = result.issues.map(({ message, path }) => ({ message, path }));
  const reason = issues[0]?.message ?? 'no reason given';
  throw new InvalidInputError(`message to the actor "${name}" does not fit its schema: ${reason}`, { issues });
};

/** Throws InvalidInputError for what JSON cannot hold, PayloadTooLargeError past 256 KiB. */
export const encodeMessage = (name: string, input: unknown): Uint8Array => {
  const what = `message to the actor "${name}"`;
  const data = orElse(
    () => encodeJson(input ?? null),
    (cause) => new InvalidInputError(`${what} is no JSON`, { cause }),
  );
  if (data.length <= inputBytesMax) return data;
  throw new PayloadTooLargeError(`${what} has ${data.length} bytes; at most ${inputBytesMax} are sent`);
};

/** Throws InvalidAnswerError. */
export const encodeAnswer = (name: string, answer: unknown): Uint8Array => {
  const what = `the answer of the actor "${name}"`;
  const data = orElse(
    () => encodeJson(answer ?? null),
    (cause) => new InvalidAnswerError(`${what} is no JSON`, { cause }),
  );
  if (data.length <= inputBytesMax) return data;
  throw new InvalidAnswerError(`${what} has ${data.length} bytes; at most ${inputBytesMax} are sent`);
};

const orElse = <Value>(attempt: () => Value, toError: (cause: unknown) => Error): Value => {
  try {
    return attempt();
  } catch (cause) {
    throw toError(cause);
  }
};

export const decodeAnswer = (name: string, data: Uint8Array): unknown => {
  const decoded = decodeJson(data);
  if (decoded.type === 'json') return decoded.value;
  throw new InvalidAnswerError(`the answer of the actor "${name}": ${decoded.message}`);
};

const ErrorReply = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

export const answerOf = (name: string, { data, headers }: BusMessage): unknown => {
  const value = decodeAnswer(name, data);
  const code = headers[errorHeader];
  if (code === undefined) return value;
  const reply = ErrorReply.safeParse(value);
  throw revive(reply.success ? reply.data.error : { code, message: `the actor "${name}" answered with an error` });
};

/** Says which input it was without showing it. */
export const hash = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex').slice(0, 16);
