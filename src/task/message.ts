/** A task on the wire: the payload is its input, everything else is a header. */
import { hash } from 'node:crypto';
import type { Headers } from '../bus/bus.ts';
import type { Delivery, Stored } from '../bus/queue.ts';
import { parseWork, type Route } from '../bus/subjects.ts';
import type { Envelope } from './envelope.ts';
import { header, isDate } from './headers.ts';
import { canonical, decodeJson } from './json.ts';
import type { Json } from './record.ts';
import type { Origin } from './transitions.ts';

export const inputHash = (input: Json): string => hash('sha1', canonical(input), 'base64url');

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

/** What a task's message says of it in headers. A missing or broken one counts as absent: the edge has checked them. */
export const saidOf = (
  message: Pick<Stored, 'headers' | 'at'>,
): Omit<Origin, 'id' | 'type' | 'route' | 'inputHash'> => {
  const { headers, at } = message;
  return {
    key: headers[header.key],
    tenant: headers[header.tenant],
    group: headers[header.group],
    title: textOf(headers[header.title]),
    parent: headers[header.parent],
    redriveOf: headers[header.redriveOf],
    deadlineAt: deadlineOf(headers[header.deadline], at),
    submittedAt: submittedAtOf(message),
  };
};

/** `undefined` where the subject is none of ours. */
export const decodeTask = (delivery: Delivery): Task | undefined => {
  const parsed = parseWork(delivery.subject);
  if (!parsed) return undefined;
  const { headers } = delivery;
  return {
    ...saidOf(delivery), // First, where it is copied fast.
    id: parsed.id,
    type: parsed.type,
    route: parsed.route,
    recordKey: parsed.key,
    inputHash: inputHashOf(delivery),
    resume: count(headers[header.resume]),
    depth: count(headers[header.depth]),
    headers,
    payload: delivery.data,
  };
};

/** Epoch ms. */
export const submittedAtOf = ({ headers, at }: Pick<Stored, 'headers' | 'at'>): number =>
  instant(Number(headers[header.submitted] ?? Number.NaN)) ?? at;

/** What came past the doors, published or scheduled by hand, does not say; where its payload is no input, empty. */
export const inputHashOf = ({ headers, data }: Pick<Stored, 'headers' | 'data'>): string => {
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

/** A duration counts from when this message was stored; where the task was accepted earlier, or was due, it is a date. */
const deadlineOf = (value: string | undefined, storedAt: number): number | undefined => {
  if (value === undefined) return undefined;
  return instant(isDate(value) ? Date.parse(value) : storedAt + Number(value.replace(/ms$/, '')));
};

/** `undefined` for what no date can hold. */
const instant = (ms: number): number | undefined => (Math.abs(ms) <= 8.64e15 ? ms : undefined);
