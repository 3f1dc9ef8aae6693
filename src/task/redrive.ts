/** Trying a dead task again: as a new task with the old one's input, which knows where it comes from. */
import { encodeId, idBytesMax, splitTaskKey } from '../bus/subjects.ts';
import { InvalidInputError, NotFoundError } from '../kernel/errors.ts';
import { readDeadLetter } from './dead-letter.ts';
import { decodeEnvelope, inputHash, type Outgoing } from './message.ts';
import { decodeJson } from './json.ts';
import { type SubmitPorts, submitTask } from './submit.ts';

/**
 * Each dead task is redriven once: asking again answers the same new id. Throws `NotFoundError` where there is no dead
 * letter, `InvalidInputError` where its input is no JSON and never will be.
 */
export const redrive = async (ports: SubmitPorts, recordKey: string): Promise<{ readonly id: string }> => {
  const letter = await readDeadLetter(ports, recordKey);
  const { type, id } = splitTaskKey(recordKey);
  if (!letter) throw new NotFoundError(`there is no dead letter of ${type} "${id}"; only dead tasks can be redriven`);
  const payload = new TextEncoder().encode(letter.input);
  const input = decodeJson(payload);
  if (input.type === 'bad')
    throw new InvalidInputError(`the dead letter's input cannot be run again: ${input.message}`);
  const task: Outgoing = {
    type,
    id: successor(id),
    route: { pool: letter.pool, lane: letter.lane, partition: '0' },
    payload,
    envelope: withoutTiming(decodeEnvelope(letter.headers)),
    hash: inputHash(input.value),
    nonce: ports.random.nonce(),
    redriveOf: id,
  };
  await submitTask(ports, task, true);
  return { id: task.id };
};

/** `a`, `a-r1`, `a-r1-r1`: the lineage is in the name, and in `redriveOf`. */
const successor = (id: string): string => {
  const next = `${id}-r1`;
  if (Buffer.byteLength(next) > idBytesMax)
    throw new InvalidInputError(`id "${id.slice(0, 40)}…" is too long to redrive`);
  encodeId(next);
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
