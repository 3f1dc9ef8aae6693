/** A submit's options as what travels beside the input. */
import { isDate } from 'node:util/types';
import { toMs } from '../kernel/duration.ts';
import { InvalidInputError } from '../kernel/errors.ts';
import type { Headers } from '../bus/bus.ts';
import { lineBreak } from '../bus/headers.ts';
import { isLane, isToken } from '../bus/subjects.ts';
import { type Envelope, isInstant, keyMax, refuseTooLarge, tenantMax } from '../task/envelope.ts';
import { asBrought } from '../task/headers.ts';
import { optional } from '../kernel/optional.ts';
import type { SubmitOptions } from './submit.ts';

const headerName = /^[A-Za-z][A-Za-z0-9-]{0,63}$/;

/** Throws `InvalidInputError`, `InvalidDurationError`. */
export const envelopeOf = (options: SubmitOptions): Envelope => {
  const { id, key, tenant, lane, group, delay, at, deadline, headers = {} } = options;
  if (delay !== undefined && at !== undefined) throw new InvalidInputError('submit takes `delay` or `at`, not both');
  if (lane !== undefined && !isLane(lane))
    throw new InvalidInputError(`lane is "${String(lane).slice(0, 40)}"; it takes high, normal or low`);
  return optional({
    id,
    key: bounded('key', key, keyMax),
    tenant: bounded('tenant', tenant, tenantMax),
    lane,
    group: token('group', group),
    delayMs: delay === undefined ? undefined : toMs(delay, 'delay'),
    dueAt: instant('at', at),
    deadlineMs: deadline === undefined ? undefined : toMs(deadline, 'deadline', { minMs: 1 }),
    headers: headersOf(headers),
  });
};

const instant = (name: string, value: Date | undefined): number | undefined => {
  if (value === undefined) return undefined;
  const ms = isDate(value) ? value.getTime() : Number.NaN;
  if (isInstant(ms)) return ms;
  const told = Number.isNaN(ms) ? `"${String(value).slice(0, 40)}"` : value.toISOString();
  throw new InvalidInputError(`${name} is ${told}; it takes a Date from 1970 on and before the year 2200`);
};

/** What travels in a header, as it will arrive. Throws `InvalidInputError`. */
export const bounded = (name: string, value: string | undefined, max: number): string | undefined => {
  if (value === undefined) return undefined;
  const brought = typeof value === 'string' ? asBrought(value) : '';
  if (brought.length === 0 || brought.length > max || lineBreak.test(value))
    throw new InvalidInputError(`${name} must be text of 1 to ${max} characters without line breaks`);
  return brought;
};

const token = (name: string, value: string | undefined): string | undefined => {
  if (value !== undefined && !isToken(value))
    throw new InvalidInputError(`${name} is "${String(value).slice(0, 80)}"; it takes 1 to 64 of A-Z a-z 0-9 _ -`);
  return value;
};

const headersOf = (headers: Readonly<Record<string, string>>): Headers => {
  const brought: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (!headerName.test(name) || /^(nats|troupe)-/i.test(name))
      throw new InvalidInputError(`header "${name.slice(0, 80)}" cannot be set; Nats-* and Troupe-* are taken`);
    if (typeof value !== 'string' || value.length > 1_024 || lineBreak.test(value))
      throw new InvalidInputError(`header ${name} must be text of at most 1,024 characters without line breaks`);
    brought[name] = asBrought(value);
  }
  refuseTooLarge(brought);
  return brought;
};
