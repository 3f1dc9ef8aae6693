/**
 * The inbox's way into the pools: everybody who cannot classify publishes to `tasks.<type>`, and what is stored there is
 * accepted. So nothing is refused any more; what cannot run becomes a dead letter, with a record that says why.
 */
import type { Delivery } from '../bus/queue.ts';
import { isToken, taskKey } from '../bus/subjects.ts';
import { summarise } from '../kernel/error.ts';
import { IdConflictError, InvalidInputError, InvalidNameError, UnknownTaskError } from '../kernel/errors.ts';
import type { Admission } from '../task/admission.ts';
import { decodeJson } from '../task/json.ts';
import type { Envelope } from '../task/envelope.ts';
import { idOf } from '../task/inbox.ts';
import { lookups } from '../task/lookup.ts';
import { inputHash, type Outgoing } from '../task/message.ts';
import type { TaskPorts } from '../task/ports.ts';
import { BadInputError } from '../task/problem.ts';
import type { DeadReason } from '../task/record.ts';
import { submitTask } from '../task/submit.ts';
import { envelopeOf } from './doors-submit.ts';
import { bury, type Problem } from './ingress-dead.ts';
import { later, mayBeTakenLater } from './later.ts';
import { madeId } from '../task/made-id.ts';

export interface IngressOptions {
  readonly ports: TaskPorts;
  readonly admission: Admission;
}

/** Settles one message of the inbox. */
export const fromInbox = ({ ports, admission }: IngressOptions) => {
  const laterMs = later(ports.clock);
  const lookUp = lookups(ports.records, ports.clock, ports.log);
  /** One of the inbox's making too, where it was taken before, or cancelled while it waited: few are, so one read asks for many. */
  const usedId = async ({ type, id }: Outgoing, made: string): Promise<boolean> =>
    id !== made || (await lookUp(taskKey(type, id)).found) !== 'absent';
  return async (delivery: Delivery): Promise<void> => {
    const type = delivery.subject.slice('tasks.'.length);
    const made = madeId(delivery);
    const prepared = await prepare(ports, admission, delivery, type, made);
    if ('reason' in prepared) return bury({ ports, delivery }, { type, id: prepared.id, made }, prepared);
    try {
      await submitTask(ports, prepared.task, await usedId(prepared.task, made));
      ports.metrics.submitted.labels(type).inc();
      delivery.ack();
    } catch (error) {
      if (error instanceof IdConflictError)
        return bury(
          { ports, delivery },
          { type, id: prepared.task.id, made },
          { reason: 'id_conflict', error: summarise(error) },
        );
      if (!mayBeTakenLater(error)) throw error;
      ports.log.debug({ err: error, type }, 'a task stays in the inbox for now');
      delivery.nak(laterMs());
    }
  };
};

const prepare = async (
  ports: TaskPorts,
  admission: Admission,
  delivery: Delivery,
  type: string,
  made: string,
): Promise<{ readonly task: Outgoing } | (Problem & { readonly id: string })> => {
  let id = idOf(delivery);
  try {
    if (!isToken(type)) throw new InvalidNameError('task type', type);
    const said = envelopeOf(delivery.headers);
    const input = decodeJson(delivery.data);
    if (input.type === 'bad')
      return {
        id,
        reason: 'invalid_json',
        error: { name: 'InvalidInputError', code: input.reason, message: input.message },
      };
    const { route, id: own, envelope } = await admission.admit(type, input.value, said, delivery.data.length);
    id = own ?? made;
    taskKey(type, id); // An id that cannot be named is refused here.
    const task = {
      type,
      id,
      route,
      payload: delivery.data,
      envelope: timed(envelope, delivery.at),
      hash: inputHash(input.value),
      nonce: ports.random.nonce(),
      submittedAt: delivery.at,
    };
    return { task };
  } catch (error) {
    return { id, reason: reasonOf(error), error: summarise(error) };
  }
};

/** A delay counts from when the inbox took the task, not from when it left. */
const timed = ({ delayMs, ...rest }: Envelope, acceptedAt: number): Envelope =>
  delayMs === undefined ? rest : { ...rest, dueAt: acceptedAt + delayMs };

const reasonOf = (error: unknown): DeadReason => {
  if (error instanceof UnknownTaskError) return 'unknown_task';
  if (error instanceof InvalidNameError) return 'invalid_name';
  if (error instanceof BadInputError) return 'invalid_header';
  if (error instanceof InvalidInputError) return 'invalid_input';
  throw error;
};
