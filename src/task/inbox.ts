/**
 * Looking for tasks in the inbox, whose subjects name the type alone: the ids are in headers, so all of a type are read,
 * in the order in which ingress takes them. That is much where a full pool keeps many there; so those who ask at the same
 * time share one search.
 */
import type { Queue, Stored } from '../bus/queue.ts';
import { isLane, type Route, splitTaskKey, streams, subjects } from '../bus/subjects.ts';
import { InvalidInputError } from '../kernel/errors.ts';
import { ifFound } from '../kernel/found.ts';
import { iso } from '../kernel/iso.ts';
import { slots } from '../kernel/slots.ts';
import { decodeEnvelope, type Envelope } from './envelope.ts';
import { header } from './headers.ts';
import { decodeJson } from './json.ts';
import { madeId } from './made-id.ts';
import { inputHash } from './message.ts';
import { noUsage, type TaskStatus } from './status.ts';
import type { Origin } from './transitions.ts';

export interface Inbox {
  /** The message that ingress will make this task of; `undefined` where there is none, or too much is before it. */
  find(recordKey: string): Promise<Stored | undefined>;
}

/** The inbox of whoever leaves it to the nodes to look there. */
export const unseenInbox: Inbox = { find: () => Promise.resolve(undefined) };

/** What has a record or is stored, but never reached a pool. */
export const nowhere: Route = { pool: 'ingress', lane: 'normal', partition: '0' };

/** The id that its submitter gives it, or else the inbox. */
export const idOf = ({ headers, at, seq }: Pick<Stored, 'headers' | 'at' | 'seq'>): string =>
  headers[header.id] ?? headers[header.natsId] ?? madeId({ at, seq });

const searchesAtOnce = 2;
/** As many as the inbox holds while anything leaves it, if they are small. */
const messagesMost = 200_000;
const bytesMost = 128 * 1024 * 1024;

interface Search {
  readonly wanted: Set<string>;
  readonly found: Promise<ReadonlyMap<string, Stored>>;
}

export const inbox = (queue: Pick<Queue, 'last' | 'from'>): Inbox => {
  const places = slots(searchesAtOnce);
  /** Those that have not begun: who asks later could want what one that goes on is past already. */
  const coming = new Map<string, Search>();

  const plan = (type: string): Search => {
    const wanted = new Set<string>();
    const begin = (): Promise<ReadonlyMap<string, Stored>> => {
      coming.delete(type);
      return search(queue, subjects.task(type), wanted);
    };
    const planned: Search = { wanted, found: places.hold(begin) };
    coming.set(type, planned);
    return planned;
  };

  return {
    find: async (recordKey) => {
      const { type, id } = splitTaskKey(recordKey);
      const { wanted, found } = coming.get(type) ?? plan(type);
      wanted.add(id);
      return (await found).get(id);
    },
  };
};

/** The first message of each of these ids. */
const search = async (
  queue: Pick<Queue, 'last' | 'from'>,
  subject: string,
  wanted: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Stored>> => {
  const found = new Map<string, Stored>();
  const take = (message: Stored): void => {
    const id = idOf(message);
    if (wanted.has(id) && !found.has(id)) found.set(id, message);
  };
  const last = await ifFound(queue.last(streams.inbox, subject));
  let [seq, messages, bytes] = [0, 0, 0];
  while (last && seq < last.seq && found.size < wanted.size && messages < messagesMost && bytes < bytesMost) {
    const page = await queue.from(streams.inbox, subject, seq + 1);
    // The leader had one more, which this replica does not have yet, or which has left the inbox by now.
    if (page.length === 0) break;
    for (const message of page) {
      take(message);
      seq = message.seq;
      bytes += message.data.length;
    }
    messages += page.length;
  }
  if (last) take(last);
  return found;
};

const detail = "it waits in the inbox until its pool takes more, or a node's ingress gets to it";

/** What a task is of which there is but this message. */
export const statusInInbox = (message: Stored, recordKey: string): TaskStatus => {
  const lane = message.headers[header.lane];
  return {
    ...splitTaskKey(recordKey),
    status: 'queued',
    attempt: 0,
    pool: nowhere.pool,
    lane: isLane(lane) ? lane : nowhere.lane,
    usage: noUsage,
    inputHash: hashOf(message),
    submittedAt: iso(message.at),
    waitingFor: { reason: 'inbox', detail },
  };
};

/** Its submitter's words alone count: what else of ours its headers say Troupe has not said. */
export const originInInbox = (message: Stored, recordKey: string): Origin => {
  const { key, tenant, group, deadlineAt, deadlineMs, dueAt, delayMs = 0 } = envelopeOf(message);
  const from = Math.max(dueAt ?? 0, message.at + delayMs);
  const { lane } = statusInInbox(message, recordKey);
  return {
    ...splitTaskKey(recordKey),
    route: { ...nowhere, lane },
    inputHash: hashOf(message),
    key,
    tenant,
    group,
    deadlineAt: deadlineAt ?? (deadlineMs === undefined ? undefined : from + deadlineMs),
    submittedAt: message.at,
  };
};

/** Nothing, of one that will be a dead letter for its headers. */
const envelopeOf = ({ headers }: Stored): Envelope => {
  try {
    return decodeEnvelope(headers);
  } catch (error) {
    if (error instanceof InvalidInputError) return { headers: {} };
    throw error;
  }
};

/** Empty for what is no input, and will be a dead letter for that. */
const hashOf = ({ data }: Stored): string => {
  const input = decodeJson(data);
  return input.type === 'bad' ? '' : inputHash(input.value);
};
