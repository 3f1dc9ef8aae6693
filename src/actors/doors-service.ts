/**
 * The service `ingress`: the doors for whoever speaks NATS. `nats req submit.<type> '<input>'`, and the answer says what
 * to type next. The last part of a subject is an id as it is, or, where that makes no subject, as answers write it.
 */
import type { Message } from '../bus/bus.ts';
import { encodeJson } from '../bus/json.ts';
import { decodeId } from '../bus/subjects.ts';
import { InvalidInputError } from '../kernel/errors.ts';
import type { Start } from '../kernel/process.ts';
import type { TaskPorts } from '../task/ports.ts';
import { statusOfProblem } from '../task/problem.ts';
import { accountFor } from '../task/account.ts';
import type { Doors, StatusAnswer } from '../task/doors.ts';
import { awaitMsOf, cancelReasonOf, forgetOf } from '../task/doors-options.ts';
import { type ErrorAnswer, service, type ServiceEndpoint } from './service.ts';

export interface DoorsServiceOptions {
  readonly doors: Doors;
  readonly ports: Pick<TaskPorts, 'bus' | 'clock' | 'random' | 'log' | 'metrics' | 'region'>;
  readonly node: string;
  /** Semantic, as `1.2.3`. */
  readonly version: string;
}

/** A process. It does not close the doors when it stops. */
export const doorsService = ({ doors, ports, node, version }: DoorsServiceOptions): Start =>
  service({
    ...ports,
    name: 'ingress',
    version,
    description: 'submits tasks, and answers for them',
    metadata: { node, region: ports.region },
    endpoints: endpointsOf(doors, ports),
    errorAnswer: (error, message) => errorAnswer(ports, error, message),
  });

const endpointsOf = (doors: Doors, { bus }: Pick<TaskPorts, 'bus'>): readonly ServiceEndpoint[] => {
  const endpoint = (
    name: string,
    takes: string,
    answer: (named: Named, message: Message, signal: AbortSignal) => Promise<object>,
  ): ServiceEndpoint => ({
    name,
    subject: `${name}.>`,
    metadata: { takes },
    handle: async (message, signal) => encodeJson(await answer(parsed(message.subject), message, signal)),
  });
  const status = async (answer: Promise<StatusAnswer>): Promise<object> => withinBytes(await answer, bus.maxPayload);

  return [
    endpoint('submit', 'submit.<type>, the input as JSON, headers Troupe-*', ({ type, id }, { data, headers }) => {
      if (id !== undefined)
        throw new InvalidInputError(`submit.${type} takes no more than the type; send the id as header Troupe-Id`);
      return doors.submit(type, data, headers);
    }),
    endpoint('get', 'get.<type>.<id>', ({ type, id = '' }) => status(doors.get(type, id))),
    endpoint('await', 'await.<type>.<id>, {"timeout":"30s"} if you like', ({ type, id = '' }, { data }, signal) =>
      status(doors.await(type, id, { timeoutMs: awaitMsOf(data), signal })),
    ),
    endpoint('why', 'why.<type>.<id>', ({ type, id = '' }) => doors.why(type, id)),
    endpoint('cancel', 'cancel.<type>.<id>, {"reason":"..."} if you like', ({ type, id = '' }, { data }) =>
      doors.cancel(type, id, cancelReasonOf(data)),
    ),
    endpoint('retry', 'retry.<type>.<id>, {"forget":["step"]} if you like', ({ type, id = '' }, { data }) =>
      doors.retry(type, id, { forget: forgetOf(data) }),
    ),
    endpoint('counts', 'counts.<group>', (_named, { subject }) => doors.counts(decodeId(afterVerb(subject)))),
  ];
};

interface Named {
  readonly type: string;
  readonly id: string | undefined;
}

const afterVerb = (subject: string): string => subject.slice(subject.indexOf('.') + 1);

const parsed = (subject: string): Named => {
  const [, type = '', ...rest] = subject.split('.');
  return { type, id: rest.length === 0 ? undefined : decodeId(rest.join('.')) };
};

/** What an answer's headers and the rest of it may take beside a large output. */
const spareBytes = 64 * 1024;

/** Without the output, if that makes it too large for one message. */
const withinBytes = (answer: StatusAnswer, bytesMax: number): object => {
  const { output, ...rest } = answer;
  if (output === undefined) return answer;
  const outputBytes = encodeJson(output).length;
  return outputBytes <= bytesMax - spareBytes ? answer : { ...rest, outputBytes };
};

/** The answer to a request that failed; counted and logged. */
export const errorAnswer = (
  ports: Pick<TaskPorts, 'log' | 'metrics'>,
  error: unknown,
  message: Message,
): ErrorAnswer => {
  const [door = '', type = ''] = message.subject.split('.', 2);
  const input = message.data.length > 0 ? message.data : message.subject;
  const problem = accountFor(ports, { door, type, input }, error);
  return { status: statusOfProblem(problem), message: problem.message, body: encodeJson({ error: problem }) };
};
