/**
 * Trying a dead task again: as a new task with the old one's input and the steps it had recorded, which knows where it
 * comes from. It goes through the door like any other, so what was unknown or misconfigured may be well by now.
 */
import { idBytesMax, splitTaskKey, taskKey } from '../bus/subjects.ts';
import { IdConflictError, InvalidInputError, NotFoundError } from '../kernel/errors.ts';
import type { Admission } from './admission.ts';
import { type DeadLetter, inputOf, readDeadLetter } from './dead-letter.ts';
import { fitted, valueOf } from './fit.ts';
import { decodeJson } from './json.ts';
import { decodeEnvelope } from './envelope.ts';
import { inputHash, type Outgoing } from './message.ts';
import { optional } from '../kernel/optional.ts';
import type { TaskPorts } from './ports.ts';
import { encodeRecord, isNamed, isTerminal, type Step, type TaskRecord } from './record.ts';
import { readRecord, recordOf, writeEncoded } from './records.ts';
import { failed, firstRecord } from './transitions.ts';
import { submitTask } from './submit.ts';

export interface RedriveOptions {
  readonly ports: TaskPorts;
  readonly admission: Admission;
  /** Recorded steps to make anew, by `<name>` or `<name>:<key>`; none. One that it has not is an `InvalidInputError`. */
  readonly forget?: readonly string[];
}

/**
 * Each dead task is redriven once: asking again answers the same new id. Throws `NotFoundError` where there is no dead
 * letter, `IdConflictError` where the new id is that of an earlier death's redrive still, and what the door throws:
 * `InvalidInputError`, `UnknownTaskError`, `OverloadedError`.
 */
export const redrive = async (
  { ports, admission, forget = [] }: RedriveOptions,
  recordKey: string,
): Promise<{ readonly id: string }> => {
  const letter = await readDeadLetter(ports, recordKey);
  const { type, id } = splitTaskKey(recordKey);
  if (!letter) throw new NotFoundError(`there is no dead letter of ${type} "${id}"; only dead tasks can be redriven`);
  const next = successor(id);
  if (await hasEnded(ports, taskKey(type, next), letter)) return { id: next };
  const payload = inputOf(letter);
  const input = decodeJson(payload);
  if (input.type === 'bad')
    throw new InvalidInputError(`the dead letter's input cannot be run again: ${input.message}`);
  const said = { ...withoutTiming(decodeEnvelope(letter.headers)), lane: letter.lane };
  const { route, envelope } = await admission.admit(type, input.value, said, payload.length);
  const task: Outgoing = {
    type,
    id: next,
    route,
    payload,
    envelope,
    hash: inputHash(input.value),
    nonce: ports.random.nonce(),
    redriveOf: id,
  };
  const steps = without(await stepsOf(ports, recordKey), forget);
  const resume = await carryOver(ports, task, steps, Date.parse(letter.deadAt));
  if (resume !== undefined) await submitTask(ports, { ...task, resume }, true);
  return { id: next };
};

/** Where nothing is recorded there is nothing to forget, whatever the name. */
const without = (steps: readonly Step[], forget: readonly string[]): readonly Step[] => {
  const strange = forget.find((name) => steps.length > 0 && !steps.some((step) => isNamed(step, [name])));
  if (strange === undefined) return steps.filter((step) => !isNamed(step, forget));
  const known = [...new Set(steps.map(({ name }) => `"${name}"`))];
  const further = known.length > mostNamed ? ` and ${known.length - mostNamed} more` : '';
  throw new InvalidInputError(
    `forget: it has recorded no step "${strange.slice(0, 80)}"; it has ${known.slice(0, mostNamed).join(', ')}${further}`,
  );
};

const mostNamed = 10;

/**
 * Submitted again, its handler would begin before the record could say that there is nothing to do. A record that may be
 * forgotten by now has left its end in the history, until the id is used again.
 */
const hasEnded = async (ports: TaskPorts, recordKey: string, letter: DeadLetter): Promise<boolean> => {
  const record = await readRecord(ports, recordKey);
  if (record) {
    if (isOfEarlier(record, letter)) throw taken(record);
    return isTerminal(record);
  }
  if (ports.queue.now() - Date.parse(letter.deadAt) < ports.shortestLifeMs / 2) return false;
  const { type, id } = splitTaskKey(recordKey);
  const row = await ports.history.task(type, id);
  return row?.finishedAt !== undefined && !isOfEarlier(row, letter);
};

/** Whether it is a redrive of a task that had the same id before this one, and died too. */
const isOfEarlier = ({ createdAt }: Pick<TaskRecord, 'createdAt'>, { deadAt }: DeadLetter): boolean =>
  Date.parse(createdAt) < Date.parse(deadAt);

const taken = ({ type, id, status }: TaskRecord): IdConflictError =>
  new IdConflictError(
    `${type} "${id}" is ${status}, and was there before this task died; redrive it when that id is forgotten, an hour after its end by default`,
  );

/** `a`, `a-r1`, `a-r1-r1`: the lineage is in the name, and in `redriveOf`. */
const successor = (id: string): string => {
  const next = `${id}-r1`;
  if (Buffer.byteLength(next) > idBytesMax)
    throw new InvalidInputError(`id "${id.slice(0, 40)}…" is too long to redrive`);
  return next;
};

/** The old deadline is over, or would be. */
const withoutTiming = ({
  deadlineAt: _at,
  deadlineMs: _ms,
  dueAt: _due,
  delayMs: _delay,
  ...rest
}: Outgoing['envelope']) => rest;

/** What the dead task had recorded, from KV or else from the history, with the values themselves. */
const stepsOf = async (ports: TaskPorts, recordKey: string): Promise<readonly Step[]> => {
  const record = await readRecord(ports, recordKey);
  if (record)
    return Promise.all(
      record.steps.map(async ({ ref, result, ...step }) =>
        optional({ ...step, result: await valueOf(ports, result, ref) }),
      ),
    );
  const { type, id } = splitTaskKey(recordKey);
  const row = await ports.history.task(type, id);
  return (row?.steps ?? []).map(({ name, key, result, at, ms }) =>
    optional({
      name,
      key: key === '' ? undefined : key,
      result: result === undefined ? undefined : JSON.parse(result),
      at,
      ms,
    }),
  );
};

/**
 * Writes the new task's record, waiting for the message that follows; answers the number of that wait. Where an earlier
 * redrive of the same task has written it, that one's steps stand, and its wait may still want a message: `undefined` where
 * it has begun since. It is never older than the death that it comes from, though that was written by another's clock.
 */
const carryOver = async (
  ports: TaskPorts,
  task: Outgoing,
  steps: readonly Step[],
  deadAt: number,
): Promise<number | undefined> => {
  const now = Math.max(ports.queue.now(), deadAt);
  const { key, tenant, group, title, deadlineMs } = task.envelope;
  const origin = optional({
    id: task.id,
    type: task.type,
    route: task.route,
    inputHash: task.hash,
    key,
    tenant,
    group,
    title,
    redriveOf: task.redriveOf,
    deadlineAt: deadlineMs === undefined ? undefined : now + deadlineMs,
    submittedAt: now,
  });
  const error = { code: 'redriven', message: `it is tried again as a redrive of "${task.redriveOf}"` };
  const waiting = failed(firstRecord(origin), error, now, true);
  const record = { ...waiting, failures: 0, steps: [...steps], w: ports.random.nonce() };
  const recordKey = taskKey(task.type, task.id);
  const value = await fitted(ports, recordKey, record, encodeRecord(record));
  const written = await writeEncoded(ports, recordKey, { w: record.w, value }, { expected: 0 });
  const stands = written.type === 'written' ? record : recordOf(written.current);
  return stands?.status === 'waiting' && stands.waits === record.waits ? record.waits : undefined;
};
