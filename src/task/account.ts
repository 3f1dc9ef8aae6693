/** What is kept of a request that came to nothing: a number, and a line that shows no byte of it. */
import { hash } from 'node:crypto';
import { isToken } from '../bus/subjects.ts';
import type { TaskPorts } from './ports.ts';
import { isRefusal, type Problem, problemOf } from './problem.ts';

export interface Refused {
  /** `submit`, `get` and so on. */
  readonly door: string;
  readonly type: string;
  /** What was sent: the body, or what names the task where there is none. */
  readonly input: Uint8Array | string;
}

/** The problem to answer with, once it is counted and logged. */
export const accountFor = (
  { log, metrics }: Pick<TaskPorts, 'log' | 'metrics'>,
  { door, type, input }: Refused,
  error: unknown,
): Problem => {
  const problem = problemOf(error);
  const { code, reason = code } = problem;
  if (code === 'internal') log.error({ err: error, door }, 'a request failed');
  else if (code === 'overloaded') metrics.refused.labels(door).inc();
  else if (isRefusal(problem)) {
    metrics.badInput.labels(reason).inc();
    const inputHash = hash('sha256', input, 'hex').slice(0, 16);
    log.warn(
      { door, ...(isToken(type) && { type }), code, reason, inputHash, bytes: input.length },
      'a request was refused',
    );
  }
  return problem;
};
