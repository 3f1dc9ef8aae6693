/**
 * What travels between a named actor and those who reach it: JSON, as large as a task's input may be,
 * with the kind of message, its timeout and an error's code in headers.
 */
import { createHash } from 'node:crypto';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { z } from 'zod';
import type { Message as BusMessage } from '../bus/bus.ts';
import { revive } from '../kernel/error.ts';
import { InvalidInputError, PayloadTooLargeError, UnavailableError } from '../kernel/errors.ts';
import { decodeJson, encodeJson, inputBytesMax } from '../task/json.ts';
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
  /** What comes from outside is parsed with it; what it refuses never reaches the mailbox. */
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
    const what = `the message to the actor "${name}"`;
    const input = await parse(what, schema, decode(what, data));
    if (type === 'ask') return ref.ask((reply: ReplyTo<unknown>) => toMessage(input, reply), { timeoutMs });
    if (!ref.send(toMessage(input, nobody))) throw new UnavailableError(`the actor "${name}" is not running`);
    return undefined;
  };

const parse = async <Input>(what: string, schema: StandardSchemaV1<unknown, Input>, value: unknown): Promise<Input> => {
  const result = await schema['~standard'].validate(value);
  if (!result.issues) return result.value;
  const issues = result.issues.map(({ message, path }) => ({ message, path }));
  const [first] = issues;
  throw new InvalidInputError(`${what} does not fit its schema: ${first?.message ?? 'no reason given'}`, { issues });
};

/** Throws InvalidInputError for what JSON cannot hold, PayloadTooLargeError past 256 KiB. */
export const encode = (what: string, value: unknown): Uint8Array => {
  const data = json(what, value);
  if (data.length > inputBytesMax) {
    throw new PayloadTooLargeError(`${what} has ${data.length} bytes; at most ${inputBytesMax} are sent`);
  }
  return data;
};

const json = (what: string, value: unknown): Uint8Array => {
  try {
    return encodeJson(value ?? null);
  } catch (error) {
    throw new InvalidInputError(`${what} is no JSON`, { cause: error });
  }
};

export const decode = (what: string, data: Uint8Array): unknown => {
  const decoded = decodeJson(data);
  if (decoded.type === 'bad') throw new InvalidInputError(`${what}: ${decoded.message}`);
  return decoded.value;
};

const ErrorReply = z.object({ error: z.object({ code: z.string(), message: z.string() }) });

export const answerOf = (name: string, { data, headers }: BusMessage): unknown => {
  const value = decode(`the answer of the actor "${name}"`, data);
  const code = headers[errorHeader];
  if (code === undefined) return value;
  const reply = ErrorReply.safeParse(value);
  throw revive(reply.success ? reply.data.error : { code, message: `the actor "${name}" answered with an error` });
};

/** Says which input it was without showing it. */
export const hash = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex').slice(0, 16);
