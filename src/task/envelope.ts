/** What a submitter says beside the input, from its headers. */
import type { Headers } from '../bus/bus.ts';
import { isLane, type Lane } from '../bus/subjects.ts';
import { toMs } from '../kernel/duration.ts';
import { InvalidInputError } from '../kernel/errors.ts';
import { optional } from '../kernel/optional.ts';
import { asBrought, header, isDate, travels, without } from './headers.ts';

/** What a submitter says; the rest of ours is what Troupe adds, and counts for nothing where a submitter sends it. */
const submitters: readonly string[] = [
  header.id,
  header.lane,
  header.key,
  header.tenant,
  header.group,
  header.deadline,
  header.delay,
  header.at,
];
const ours: ReadonlySet<string> = new Set(Object.values(header));

/** Of those that go along. The server takes 64 KiB of all headers of a message. */
const headerBytesMax = 8 * 1024;
/** Timers count nanoseconds in 64 bits: what is due later than they can tell would be due at once. */
const latestMs = Date.UTC(2200, 0, 1);

/** Whether a timer can tell it. */
export const isInstant = (ms: number): boolean => ms >= 0 && ms < latestMs;
/** Characters of a key, and of a tenant. */
export const keyMax = 512;
export const tenantMax = 128;
const longest = { [header.key]: keyMax, [header.tenant]: tenantMax, [header.group]: 64 } as const;

/** What a submitter may say beside the input. */
export interface Envelope {
  readonly id?: string;
  readonly lane?: Lane;
  readonly key?: string;
  readonly tenant?: string;
  readonly group?: string;
  /** By the task's own policy; nobody else's. */
  readonly title?: string;
  /** Ms from acceptance, or from the due time. */
  readonly deadlineMs?: number;
  /** Epoch ms. */
  readonly deadlineAt?: number;
  readonly delayMs?: number;
  /** Epoch ms. */
  readonly dueAt?: number;
  /** Everything that is neither ours nor the server's. */
  readonly headers: Headers;
}

/** Throws `InvalidInputError`, naming the header, its value and what it takes. */
export const decodeEnvelope = (headers: Headers): Envelope => {
  refuseStrange(headers);
  const passed = passedOn(headers);
  refuseTooLarge(passed);
  const id = headers[header.id] ?? headers[header.natsId];
  const lane = headers[header.lane];
  if (lane !== undefined && !isLane(lane)) throw wrong(header.lane, lane, 'high, normal or low');
  const text = (name: keyof typeof longest): string | undefined => {
    const value = headers[name] && asBrought(headers[name]);
    if (value !== undefined && (value.length === 0 || value.length > longest[name]))
      throw wrong(name, value, `1 to ${longest[name]} characters`);
    return value;
  };
  return optional({
    id,
    lane,
    key: text(header.key),
    tenant: text(header.tenant),
    group: text(header.group),
    ...decodeDeadline(headers[header.deadline]),
    ...decodeDue(headers),
    headers: passed,
  });
};

const wrong = (name: string, value: string, takes: string): InvalidInputError =>
  new InvalidInputError(`header ${name} is "${value.slice(0, 80)}"; it takes ${takes}`);

/** Throws `InvalidInputError`. */
export const refuseTooLarge = (headers: Headers): void => {
  let bytes = 0;
  for (const name in headers) bytes += name.length + Buffer.byteLength(headers[name] ?? '') + 4;
  if (bytes > headerBytesMax)
    throw new InvalidInputError(
      `headers of ${bytes} bytes; at most ${headerBytesMax} are taken: put the rest into the input`,
    );
};

/** A slip in a name would otherwise pass for a header of somebody else's, and a task that was to wait would run. */
const refuseStrange = (headers: Headers): void => {
  for (const name in headers) {
    if (/^troupe-/i.test(name) && !ours.has(name))
      throw new InvalidInputError(
        `header "${name.slice(0, 80)}" is none of Troupe's; a submitter sets ${submitters.join(', ')}`,
      );
    if (!travels(name, headers[name] ?? ''))
      throw new InvalidInputError(
        `header "${name.slice(0, 80)}" cannot go along: a name takes printable ASCII without spaces, a value no line break`,
      );
  }
};

const decodeDue = (headers: Headers): Pick<Envelope, 'delayMs' | 'dueAt'> => {
  const at = headers[header.at];
  if (at !== undefined && headers[header.delay] !== undefined)
    throw wrong(header.at, at, `no ${header.delay} beside it`);
  return optional({ delayMs: duration(header.delay, headers[header.delay]), dueAt: date(header.at, at) });
};

const decodeDeadline = (value: string | undefined): { deadlineMs?: number; deadlineAt?: number } => {
  if (value === undefined) return {};
  if (isDate(value)) return optional({ deadlineAt: date(header.deadline, value) });
  return optional({ deadlineMs: duration(header.deadline, value) });
};

const duration = (name: string, value: string | undefined): number | undefined => {
  if (value === undefined) return undefined;
  try {
    return toMs(/^\d+$/.test(value) ? Number(value) : value, name);
  } catch {
    throw wrong(name, value, "a duration such as '250ms', '10s', '5m', '2h' or '3d'");
  }
};

const date = (name: string, value: string | undefined): number | undefined => {
  if (value === undefined) return undefined;
  // Without its zone it would be another moment on each node.
  const at = isDate(value) && /(Z|[+-]\d\d:\d\d)$/.test(value) ? Date.parse(value) : Number.NaN;
  if (!isInstant(at))
    throw wrong(
      name,
      value,
      'a date such as 2027-01-31T12:00:00Z, with its zone, from 1970 on and before the year 2200',
    );
  return at;
};

const passedOn = (headers: Headers): Headers => without(headers, /^(nats|troupe)-/i);
