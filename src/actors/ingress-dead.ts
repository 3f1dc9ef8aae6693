/** What the inbox took and no pool can run: it was accepted, so it gets a record and a dead letter that say why not. */
import type { Delivery } from '../bus/queue.ts';
import { isToken, taskKey } from '../bus/subjects.ts';
import type { ErrorSummary } from '../kernel/error.ts';
import { InvalidNameError } from '../kernel/errors.ts';
import { writeDeadLetter } from '../task/dead-letter.ts';
import { announce } from '../task/duties.ts';
import { carriedHeaders } from '../task/headers.ts';
import type { TaskPorts } from '../task/ports.ts';
import { type DeadReason, holds, type TaskRecord } from '../task/record.ts';
import { recordOf, writeRecord } from '../task/records.ts';
import { dead, firstRecord } from '../task/transitions.ts';
import { findQueued } from '../task/find.ts';
import { nowhere } from '../task/inbox.ts';

export interface Problem {
  readonly reason: DeadReason;
  readonly error: ErrorSummary;
}

/** How a message of the inbox is called. */
export interface Called {
  readonly type: string;
  /** As its submitter wishes. */
  readonly id: string;
  /** Made for this very message: nothing else has it. */
  readonly made: string;
}

export interface Burying {
  readonly ports: TaskPorts;
  readonly delivery: Delivery;
}

/** Writes record and dead letter, then takes the message out of the inbox. */
export const bury = async (burying: Burying, called: Called, problem: Problem): Promise<void> => {
  const { ports, delivery } = burying;
  const record = (await buriedAsWished(burying, called, problem)) ?? (await buriedAsMade(burying, called, problem));
  const recordKey = taskKey(record.type, record.id);
  announce(ports, record, recordKey);
  await writeDeadLetter(ports, record, recordKey, {
    payload: delivery.data,
    headers: carriedHeaders(delivery.headers),
  });
  delivery.term(problem.reason);
};

/** Under the id that was asked for, unless that is another task's or cannot be named. */
const buriedAsWished = async (
  burying: Burying,
  { type, id, made }: Called,
  problem: Problem,
): Promise<TaskRecord | undefined> => {
  if (id === made || problem.reason === 'id_conflict' || !isToken(type) || !canBeNamed(type, id)) return undefined;
  // The id's own task may be well, and have no record yet: this one would be the end of it.
  if (await findQueued(burying.ports, taskKey(type, id))) return undefined;
  return writeDead(burying, { type, id }, problem);
};

const buriedAsMade = async (burying: Burying, { type, made }: Called, problem: Problem): Promise<TaskRecord> => {
  const named = { type: isToken(type) ? type : 'unknown', id: made };
  return (await writeDead(burying, named, problem)) ?? deadRecord(burying, named, problem);
};

const canBeNamed = (type: string, id: string): boolean => {
  try {
    return taskKey(type, id) !== '';
  } catch (error) {
    if (error instanceof InvalidNameError) return false;
    throw error;
  }
};

const deadRecord = (
  { ports: { queue }, delivery: { stream, seq, at } }: Burying,
  named: { readonly type: string; readonly id: string },
  { reason, error }: Problem,
): TaskRecord => {
  const first = firstRecord({ ...named, route: nowhere, inputHash: '', submittedAt: at });
  return dead({ ...first, held: { stream, seq } }, reason, { code: error.code, message: error.message }, queue.now());
};

/** The record, if it is this message's, written now or at an earlier delivery; `undefined` where another task has it. */
const writeDead = async (
  burying: Burying,
  named: { readonly type: string; readonly id: string },
  problem: Problem,
): Promise<TaskRecord | undefined> => {
  const { ports, delivery } = burying;
  const record = deadRecord(burying, named, problem);
  const recordKey = taskKey(named.type, named.id);
  const written = await writeRecord(ports, recordKey, record, { expected: 0, ttlMs: ports.recordLifeMs() });
  if (written.type === 'written') return record;
  const current = recordOf(written.current);
  return current && holds(current, delivery) ? current : undefined;
};
