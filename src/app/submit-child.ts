/** `ctx.submit`: a task that submits another one, once. */
import { createHash } from 'node:crypto';
import { encodeJson } from '../bus/json.ts';
import { NonRetryableError } from '../kernel/errors.ts';
import type { Admission } from '../task/admission.ts';
import type { Attempt } from '../task/executor.ts';
import { throughJson } from '../task/json.ts';
import { inputHash } from '../task/message.ts';
import type { TaskPorts } from '../task/ports.ts';
import { submitTask } from '../task/submit.ts';
import type { TaskCtx } from './context-types.ts';
import { envelopeOf } from './envelope.ts';

export interface SubmitChildOptions {
  readonly admission: Admission;
  readonly ports: TaskPorts;
}

/** Tasks that submit tasks that submit tasks: no deeper than this. */
const depthMax = 8;

/** The child's id follows from its parent, and a recorded submission is not repeated. */
export const submitter =
  ({ admission, ports }: SubmitChildOptions, { task, journal }: Attempt): TaskCtx['submit'] =>
  async (child, given, submitOptions = {}) => {
    const type = nameOf(child);
    const depth = task.depth + 1;
    if (depth > depthMax)
      throw new NonRetryableError(`task "${task.type}" is ${task.depth} submissions deep; at most ${depthMax}`);
    const input = throughJson(given, `the input of task "${type}"`) ?? null;
    const payload = encodeJson(input);
    const hash = inputHash(input);
    const { id: own, route, envelope } = await admission.admit(type, input, envelopeOf(submitOptions), payload.length);
    const id = own ?? childId(task.recordKey, type, hash);
    await journal.step(`submit ${type}`.slice(0, 128), submissionKey(id), async () => {
      const [parent, nonce] = [task.recordKey, ports.random.nonce()];
      await submitTask(ports, { type, id, route, payload, envelope, hash, nonce, parent, depth }, true);
    });
    return { id };
  };

/** Throws `NonRetryableError` for what is no task: without types, anything may come. */
const nameOf = (child: unknown): string => {
  if (typeof child === 'object' && child !== null && 'name' in child && typeof child.name === 'string')
    return child.name;
  const given = typeof child === 'string' ? `"${child.slice(0, 80)}"` : typeof child;
  throw new NonRetryableError(`ctx.submit takes what defineTask has made; this is ${given}`);
};

/** 26 characters of base64url. Two equal children of one task need ids of their own. */
const childId = (parent: string, type: string, hash: string): string =>
  createHash('sha256').update(`${parent}\n${type}\n${hash}`).digest('base64url').slice(0, 26);

const keyMax = 256;

/** Long ids, such as URLs, may differ in their ends alone. */
const submissionKey = (id: string): string => {
  if (id.length <= keyMax) return id;
  const end = `.${createHash('sha256').update(id).digest('base64url')}`;
  return id.slice(0, keyMax - end.length) + end;
};
