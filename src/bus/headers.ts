/** What a header may be, whatever bus it goes by; and the texts of orders to the server, which are headers. */
import { RefusedError } from '../kernel/errors.ts';
import type { ScheduleSpec } from './queue.ts';

/** Printable ASCII but the colon, as the protocol has it. */
export const headerName = /^[!-9;-~]{1,256}$/;
/** In no value: what comes after it would be another header. */
export const lineBreak = /[\r\n\0]/;
/** Orders to the server. They are given by options only, never carried along with somebody's headers. */
export const order = /^nats-/i;

/** The server counts in whole seconds where it can, and refuses less than one. */
export const ttlText = (ms: number): string => (ms % 1_000 === 0 ? `${ms / 1_000}s` : `${Math.ceil(ms)}ms`);

/** Throws `RefusedError` for a time that no date can be. */
export const scheduleText = (when: ScheduleSpec): string => {
  if ('cron' in when) return when.cron;
  if ('every' in when) return `@every ${when.every}ms`;
  const at = new Date(when.at);
  if (Number.isNaN(at.getTime())) throw new RefusedError(`a schedule cannot be due at ${when.at} ms since 1970`);
  return `@at ${at.toISOString()}`;
};
