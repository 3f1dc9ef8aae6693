/** Accepting a task from somebody who cannot classify, and answering at once with its id or with what is wrong. */
import type { Headers } from '../bus/bus.ts';
import { named, taskKey } from '../bus/subjects.ts';
import { InvalidInputError, PayloadTooLargeError, TimeoutError } from '../kernel/errors.ts';
import type { Admission } from '../task/admission.ts';
import type { Gate } from '../task/gate.ts';
import { decodeJson } from '../task/json.ts';
import { decodeEnvelope, type Envelope } from '../task/envelope.ts';
import { inputHash, type Outgoing } from '../task/message.ts';
import type { TaskPorts } from '../task/ports.ts';
import { BadInputError } from '../task/problem.ts';
import type { Json } from '../task/record.ts';
import { submitTask } from '../task/submit.ts';

export interface SubmitDoorOptions {
  readonly ports: TaskPorts;
  readonly admission: Admission;
  readonly entry: Gate;
}

export interface Entered {
  readonly id: string;
  readonly recordKey: string;
  readonly duplicate: boolean;
}

export const submitDoor =
  ({ ports, admission, entry }: SubmitDoorOptions) =>
  async (type: string, payload: Uint8Array, headers: Headers): Promise<Entered> => {
    named('task type', type);
    const opening = entry.opening();
    if (opening) await opening;
    entry.pass();
    const said = envelopeOf(headers);
    const input = inputOf(payload);
    const { route, id: own, envelope } = await admission.admit(type, input, said, payload.length);
    const id = own ?? ports.random.id();
    const recordKey = taskKey(type, id);
    const nonce = ports.random.nonce();
    const task: Outgoing = { type, id, route, payload, envelope, hash: inputHash(input), nonce };
    const { duplicate } = await submitTask(ports, task, own !== undefined).catch((error: unknown) => {
      throw error instanceof TimeoutError ? unknownOutcome(error, type, id) : error;
    });
    ports.metrics.submitted.labels(type).inc();
    return { id, recordKey, duplicate };
  };

/** What its headers say. Throws `BadInputError` where they make no sense. */
export const envelopeOf = (headers: Headers): Envelope => {
  try {
    return decodeEnvelope(headers);
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    throw new BadInputError(error.message, 'invalid_header', { cause: error });
  }
};

const inputOf = (payload: Uint8Array): Json => {
  const input = decodeJson(payload);
  if (input.type === 'json') return input.value;
  if (input.reason === 'payload_too_large') throw new PayloadTooLargeError(input.message);
  throw new BadInputError(input.message, input.reason);
};

const unknownOutcome = (cause: TimeoutError, type: string, id: string): TimeoutError =>
  new TimeoutError(`whether ${type} "${id}" was accepted is unknown; submit it again with this id to find out`, {
    cause,
  });
