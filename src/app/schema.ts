/**
 * Input and output are described by any Standard Schema (zod, valibot, arktype, ...). The wire carries what the
 * submitter sent; the edge validates it, and the worker parses it, so that a transform runs once.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { InvalidInputError, type Issue } from '../kernel/errors.ts';

/** Any Standard Schema. */
export type Schema = StandardSchemaV1;

/** The schema of a task without `output`: its run has no result. */
export type None = StandardSchemaV1<void, void>;

/** What a schema takes: the form on the wire, where defaults may be left out. */
export type In<S> = S extends Schema ? StandardSchemaV1.InferInput<S> : never;

/** What a schema gives: the form in the handler's hands. */
export type Out<S> = S extends Schema ? StandardSchemaV1.InferOutput<S> : never;

/**
 * `T` after a trip through JSON: a `Date` is a string, a `Set` is `{}`, functions are gone. What a step returns, on
 * its first attempt too, and what a run's result is.
 */
export type Jsonified<T> = unknown extends T
  ? T
  : T extends string | number | boolean | null | undefined | void
    ? T
    : T extends { toJSON(): infer J }
      ? Jsonified<J>
      : T extends bigint | symbol | ((...args: never[]) => unknown)
        ? never
        : T extends readonly unknown[]
          ? { [K in keyof T]: Jsonified<T[K]> }
          : T extends Map<unknown, unknown> | Set<unknown>
            ? {}
            : { [K in keyof T as T[K] extends (...args: never[]) => unknown ? never : K]: Jsonified<T[K]> };

/**
 * The parsed value, at once where the schema is synchronous; only a schema that has to wait makes a promise.
 * `what` is named in the error, such as `input of task "mail"`. Throws, or rejects with, InvalidInputError: with the
 * schema's issues, or with the cause where the schema itself threw.
 */
export const validate = <O>(schema: StandardSchemaV1<unknown, O>, value: unknown, what: string): O | Promise<O> => {
  const result = attempt(schema, value, what);
  return result instanceof Promise ? awaited(result, what) : accepted(result, what);
};

const attempt = <O>(schema: StandardSchemaV1<unknown, O>, value: unknown, what: string) => {
  try {
    return schema['~standard'].validate(value);
  } catch (error) {
    throw broken(what, error);
  }
};

const awaited = async <O>(result: Promise<StandardSchemaV1.Result<O>>, what: string): Promise<O> =>
  accepted(
    await result.catch((error: unknown) => {
      throw broken(what, error);
    }),
    what,
  );

const accepted = <O>(result: StandardSchemaV1.Result<O>, what: string): O => {
  if (result.issues === undefined) return result.value;
  throw new InvalidInputError(`${what}: ${describe(result.issues)}`, { issues: result.issues });
};

const broken = (what: string, error: unknown) =>
  new InvalidInputError(`${what}: its schema threw ${error instanceof Error ? error.name : typeof error}`, {
    cause: error,
  });

/** Issues past these are counted, not told: a list of a million bad items must not make a log line of them. */
const told = 5;

const describe = (issues: readonly Issue[]): string => {
  const lines = issues.slice(0, told).map(({ message, path = [] }) => {
    const at = path.map((step) => String(typeof step === 'object' ? step.key : step)).join('.');
    return `${at === '' ? '' : `${at.slice(0, 100)}: `}${message.slice(0, 200)}`;
  });
  return [...lines, ...(issues.length > told ? [`and ${issues.length - told} more`] : [])].join('; ');
};
