/**
 * Keeps a browser's other pages out. A page of anybody's can name this machine in its own DNS, and post to it without
 * being able to read the answer: so the Host must be the loopback's, and whoever changes something from a page must be
 * on the same one.
 */
import type { MiddlewareHandler } from 'hono';
import { TroupeError } from '../kernel/errors.ts';

const loopback: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]']);
const reading: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** Answered with 403. */
export class ForbiddenError extends TroupeError {
  override readonly name = 'ForbiddenError';
  override readonly code = 'forbidden';
}

export interface Asked {
  readonly method: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
}

/** Throws `ForbiddenError`. */
export const guard = ({ method, host = '', origin }: Asked): void => {
  const name = host.replace(/:\d{1,5}$/, '').toLowerCase();
  if (!loopback.has(name))
    throw new ForbiddenError('this door answers to 127.0.0.1 and localhost only; set the Host header');
  if (reading.has(method) || origin === undefined) return;
  if (origin.toLowerCase() !== `http://${host.toLowerCase()}`)
    throw new ForbiddenError('a page of another origin may not change anything here');
};

/** None of the answers is a page, and none of them is to be kept. */
const safeHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
};

/** Puts them on every answer. */
export const safely: MiddlewareHandler = async (c, next) => {
  await next();
  for (const [name, value] of Object.entries(safeHeaders)) c.res.headers.set(name, value);
};
