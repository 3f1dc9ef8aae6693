/** One task's way in: straight into its pool's stream where the app is known, through the ingress where it is not. */
import { envelopeOf } from '../app/envelope.ts';
import type { SubmitOptions } from '../app/submit.ts';
import { named } from '../bus/subjects.ts';
import { InvalidInputError } from '../kernel/errors.ts';
import type { Admission, Admitted } from '../task/admission.ts';
import type { Gate } from '../task/gate.ts';
import type { Envelope } from '../task/envelope.ts';
import { type SubmitPorts, submitTask } from '../task/submit.ts';
import type { Ingress } from './ingress.ts';
import { encodeInput } from './input.ts';
import type { Json } from '../task/record.ts';

export interface Submission {
  readonly id: string;
  readonly duplicate: boolean;
  readonly inputHash: string;
}

export type Submit = (type: string, input: unknown, options: SubmitOptions | undefined) => Promise<Submission>;

const plain: Envelope = Object.freeze({ headers: Object.freeze({}) });
const said = (options: SubmitOptions | undefined): Envelope => {
  if (options === undefined) return plain;
  const { id } = options;
  if (id !== undefined && typeof id !== 'string')
    throw new InvalidInputError(`id is a ${typeof id}; it must be a string`);
  return envelopeOf(options);
};

export interface EdgeOptions {
  readonly ports: SubmitPorts;
  readonly admission: Admission;
  readonly entry: Gate;
  readonly tenant: string | undefined;
}

/** Validates and classifies here, and writes once. */
export const submitAtEdge = ({ ports, admission, entry, tenant }: EdgeOptions): Submit => {
  const { random } = ports;

  /** The task's own tenant goes before the client's; rules see whichever it is. */
  const admit = async (type: string, value: Json, envelope: Envelope, bytes: number): Promise<Admitted> => {
    const admitted = await admission.admit(type, value, envelope, bytes);
    if (tenant === undefined || admitted.envelope.tenant !== undefined) return admitted;
    return admission.admit(type, value, { ...envelope, tenant }, bytes);
  };

  return async (type, input, options) => {
    const opening = entry.opening();
    if (opening) await opening;
    entry.pass();
    const { payload, value, hash } = encodeInput(input, type);
    const asked = said(options);
    const admitting =
      tenant === undefined
        ? admission.admit(type, value, asked, payload.length)
        : admit(type, value, asked, payload.length);
    const { route, id: own, envelope } = admitting instanceof Promise ? await admitting : admitting;
    const id = own ?? random.id();
    const task = { type, id, route, payload, envelope, hash, nonce: random.nonce() };
    const { duplicate } = await submitTask(ports, task, own !== undefined);
    return { id, duplicate, inputHash: hash };
  };
};

export interface ThroughIngressOptions {
  readonly doors: Ingress;
  readonly tenant: string | undefined;
}

/** Leaves both to the ingress, which answers at once. The client's tenant goes before the task's own. */
export const submitThroughIngress =
  ({ doors, tenant }: ThroughIngressOptions): Submit =>
  async (type, input, options) => {
    named('task type', type);
    const { payload, hash } = encodeInput(input, type);
    const envelope = said(options);
    refuseUntold(envelope.id);
    const withTenant = tenant === undefined || envelope.tenant !== undefined ? envelope : { ...envelope, tenant };
    const { id, duplicate } = await doors.submit(type, payload, withTenant);
    return { id, duplicate, inputHash: hash };
  };

/** The id travels in a header here, which keeps neither control characters nor spaces around it. */
const refuseUntold = (id: string | undefined): void => {
  if (id !== undefined && (/\p{Cc}/u.test(id) || id.trim() !== id))
    throw new InvalidInputError('a client without the app takes no id with control characters, or spaces around it');
};
