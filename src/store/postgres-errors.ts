/** What the database says, in the port's two words: never (`RefusedError`), or not now (`UnavailableError`). */
import pg from 'pg';
import { RefusedError, UnavailableError } from '../kernel/errors.ts';

/** SQLSTATE classes that say that a value is what is wrong: cardinality, data, integrity, a limit such as nesting. */
const refused = new Set(['21', '22', '23', '54']);

export const translated = (error: unknown): RefusedError | UnavailableError => {
  const cause = inner(error);
  const message = described(cause);
  // Not even sent: a value that no message can hold.
  if (cause instanceof RangeError || cause instanceof TypeError) return new RefusedError(message, { cause });
  if (!(cause instanceof pg.DatabaseError)) return new UnavailableError(`Postgres: ${message}`, { cause });
  const detail = cause.detail ? `: ${cause.detail}` : '';
  return refused.has(cause.code?.slice(0, 2) ?? '')
    ? new RefusedError(`${message}${detail} (SQLSTATE ${cause.code})`, { cause })
    : new UnavailableError(`Postgres: ${message} (SQLSTATE ${cause.code})`, { cause });
};

/** Drizzle wraps what pg throws. */
const inner = (error: unknown): unknown =>
  error instanceof Error && !(error instanceof pg.DatabaseError) && error.cause instanceof Error
    ? inner(error.cause)
    : error;

/** Where a name has several addresses, the error that none answers has no message, only a code. */
export const described = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  return error.message || ('code' in error ? String(error.code) : error.name);
};
