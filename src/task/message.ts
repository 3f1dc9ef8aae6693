/**
 * A task on the wire: the payload is its input, everything else is a header. `Nats-*` headers steer the server and
 * never come from a submitter; `Troupe-*` headers are ours; any other goes along untouched.
 */
import { hash } from 'node:crypto';
import type { Headers } from '../bus/bus.ts';
import type { Delivery } from '../bus/queue.ts';
import { isLane, type Lane, parseWork, type Route } from '../bus/subjects.ts';
import { InvalidInputError } from '../kernel/errors.ts';
import { toMs } from '../kernel/duration.ts';
import { canonical, decodeJson } from './json.ts';
import type { Json, Origin } from './record.ts';

export const header = {
  id: 'Troupe-Id',
  lane: 'Troupe-Lane',
  key: 'Troupe-Key',
  tenant: 'Troupe-Tenant',
  group: 'Troupe-Group',
  title: 'Troupe-Title',
  deadline: 'Troupe-Deadline',
  delay: 'Troupe-Delay',
  at: 'Troupe-At',
  // What Troupe adds on the way.
  hash: 'Troupe-Hash',
  nonce: 'Troupe-Nonce',
  resume: 'Troupe-Resume',
  submitted: 'Troupe-Submitted',
  parent: 'Troupe-Parent',
  redriveOf: 'Troupe-Redrive-Of',
  depth: 'Troupe-Depth',
  natsId: 'Nats-Msg-Id',
} as const;

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

export const headerBytesMax = 8 * 1024;
/** Timers count nanoseconds in 64 bits: what is due later than they can tell would be due at once. */
export const latestMs = Date.UTC(2200, 0, 1);
const longest = { [header.key]: 512, [header.tenant]: 128, [header.group]: 64 } as const;

export const inputHash = (input: Json): string => hash('sha1', canonical(input), 'base64url');

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
  refuseTooLarge(headers);
  refuseStrange(headers);
  const id = headers[header.id] ?? headers[header.natsId];
  const lane = headers[header.lane];
  if (lane !== undefined && !isLane(lane)) throw wrong(header.lane, lane, 'high, normal or low');
  const text = (name: keyof typeof longest): string | undefined => {
    const value = headers[name];
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
    headers: passedOn(headers),
  });
};

/** The object without its undefined members, which `exactOptionalPropertyTypes` tells apart from absent ones. */
type Present<T> = { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> } & {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
};
export const optional = <T extends object>(members: T): Present<T> => {
  const present: object & Partial<T> = {};
  for (const name in members) if (members[name] !== undefined) present[name] = members[name];
  return present as Present<T>; // What `for in` left out is what the type says may be absent.
};

const wrong = (name: string, value: string, takes: string): InvalidInputError =>
  new InvalidInputError(`header ${name} is "${value.slice(0, 80)}"; it takes ${takes}`);

const refuseTooLarge = (headers: Headers): void => {
  let bytes = 0;
  for (const name in headers) bytes += name.length + (headers[name]?.length ?? 0) + 4;
  if (bytes > headerBytesMax)
    throw new InvalidInputError(`headers of ${bytes} bytes; at most ${headerBytesMax} are taken`);
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

/** Whether it can be published again: what arrives may hold more than what may be sent. */
const travels = (name: string, value: string): boolean => /^[!-9;-~]{1,256}$/.test(name) && !/[\r\n\0]/.test(value);

const decodeDue = (headers: Headers): Pick<Envelope, 'delayMs' | 'dueAt'> => {
  const at = headers[header.at];
  if (at !== undefined && headers[header.delay] !== undefined)
    throw wrong(header.at, at, `no ${header.delay} beside it`);
  return optional({ delayMs: duration(header.delay, headers[header.delay]), dueAt: date(header.at, at) });
};

const isDate = (value: string): boolean => /^\d{4}-\d\d-\d\dT/.test(value);

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
  if (Number.isNaN(at) || at > latestMs)
    throw wrong(name, value, 'a date such as 2027-01-31T12:00:00Z, with its zone and before the year 2200');
  return at;
};

const without = (headers: Headers, dropped: RegExp): Headers => {
  const kept: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined && !dropped.test(name) && travels(name, value)) kept[name] = value;
  }
  return kept;
};

const passedOn = (headers: Headers): Headers => without(headers, /^(nats|troupe)-/i);

/** A stored message's headers, to be published again: what steered the server then must not steer it now. */
export const carriedHeaders = (headers: Headers): Headers => without(headers, /^nats-/i);

/** A task that is about to be stored in a pool's stream. */
export interface Outgoing {
  readonly type: string;
  readonly id: string;
  readonly route: Route;
  readonly payload: Uint8Array;
  readonly envelope: Envelope;
  readonly hash: string;
  readonly nonce: string;
  /** Epoch ms, where it was accepted earlier than it is stored here. */
  readonly submittedAt?: number;
  readonly resume?: number;
  readonly parent?: string;
  /** Submissions between the task and one from outside; 0. */
  readonly depth?: number;
  readonly redriveOf?: string;
}

export const encodeHeaders = ({ envelope, ...task }: Outgoing): Headers => {
  const headers: Record<string, string> = { ...envelope.headers };
  const set = (name: string, value: string | number | undefined): void => {
    if (value !== undefined) headers[name] = String(value);
  };
  set(header.hash, task.hash);
  set(header.nonce, task.nonce);
  set(header.key, envelope.key);
  set(header.tenant, envelope.tenant);
  set(header.group, envelope.group);
  set(header.title, envelope.title && encodeURIComponent(envelope.title));
  if (envelope.deadlineAt !== undefined) set(header.deadline, new Date(envelope.deadlineAt).toISOString());
  else if (envelope.deadlineMs !== undefined) set(header.deadline, `${envelope.deadlineMs}ms`);
  set(header.submitted, task.submittedAt);
  set(header.resume, task.resume || undefined);
  set(header.parent, task.parent);
  set(header.depth, task.depth || undefined);
  set(header.redriveOf, task.redriveOf);
  return headers;
};

/** A task as a worker gets it. */
export interface Task extends Origin {
  /** Key of its record, end of its subjects. */
  readonly recordKey: string;
  /** Which wait this delivery ends; 0 for none. */
  readonly resume: number;
  /** Submissions between it and one from outside; 0 for none. */
  readonly depth: number;
  readonly headers: Headers;
  readonly payload: Uint8Array;
}

/** `undefined` where the subject is none of ours. A missing or broken header counts as absent: the edge has checked them. */
export const decodeTask = (delivery: Delivery): Task | undefined => {
  const parsed = parseWork(delivery.subject);
  if (!parsed) return undefined;
  const { headers } = delivery;
  return {
    id: parsed.id,
    type: parsed.type,
    route: parsed.route,
    recordKey: parsed.key,
    inputHash: inputHashOf(delivery),
    taskKey: headers[header.key],
    tenant: headers[header.tenant],
    group: headers[header.group],
    title: textOf(headers[header.title]),
    parent: headers[header.parent],
    redriveOf: headers[header.redriveOf],
    deadlineAt: deadlineOf(headers[header.deadline], delivery.at),
    submittedAt: instant(Number(headers[header.submitted] ?? Number.NaN)) ?? delivery.at,
    resume: count(headers[header.resume]),
    depth: count(headers[header.depth]),
    headers,
    payload: delivery.data,
  };
};

/** What came past the doors, published or scheduled by hand, does not say; where its payload is no input, empty. */
export const inputHashOf = ({ headers, data }: Pick<Delivery, 'headers' | 'data'>): string => {
  const told = headers[header.hash];
  if (told !== undefined) return told;
  const input = decodeJson(data);
  return input.type === 'bad' ? '' : inputHash(input.value);
};

/** Titles are anybody's text; header values are one line of ASCII. */
const textOf = (encoded: string | undefined): string | undefined => {
  try {
    return encoded === undefined ? undefined : decodeURIComponent(encoded);
  } catch {
    return undefined;
  }
};

const count = (value: string | undefined): number =>
  value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : 0;

/** A duration counts from when this message was stored: from submission, or from the due time. */
const deadlineOf = (value: string | undefined, storedAt: number): number | undefined => {
  if (value === undefined) return undefined;
  return instant(isDate(value) ? Date.parse(value) : storedAt + Number(value.replace(/ms$/, '')));
};

/** `undefined` for what no date can hold. */
const instant = (ms: number): number | undefined => (Math.abs(ms) <= 8.64e15 ? ms : undefined);
