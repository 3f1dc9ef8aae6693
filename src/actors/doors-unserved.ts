/** Whether a task waits because nobody takes it. No stream tells: what a node had in hand that is gone looks as if it were. */
import { consumers, streams } from '../bus/subjects.ts';
import { ifFound } from '../kernel/found.ts';
import type { TaskPorts } from '../task/ports.ts';
import type { TaskStatus } from '../task/status.ts';
import { isServed } from './serving.ts';

type UnservedPorts = Pick<TaskPorts, 'bus' | 'queue' | 'region'>;

/** In plain words; `undefined` where a node serves the task's pool, or the task waits for something else first. */
export const unservedOf = async (ports: UnservedPorts, task: TaskStatus): Promise<string | undefined> => {
  const { bus, queue, region } = ports;
  const { pool, lane } = task;
  if (!wantsWorker(task, queue.now()) || (await isServed(bus, region, pool))) return undefined;
  const unserved = `no node serves pool "${pool}" now: start one`;
  const info = await ifFound(queue.consumerInfo(streams.work(region, pool), consumers.lane(pool, lane)));
  if (!info) return `${unserved}, which also makes the consumer of its lane ${lane} again`;
  const waiting = `${unserved}; ${info.pending} tasks wait in lane ${lane}`;
  if (info.ackPending === 0) return waiting;
  return `${waiting}, and ${info.ackPending} more come again after the ack wait: nodes had them in hand that are gone, or that stop`;
};

/** Whether nothing but a worker is missing, as far as is known. */
const wantsWorker = ({ status, waitingFor }: TaskStatus, now: number): boolean => {
  switch (waitingFor?.reason) {
    case 'due':
    case 'inbox':
      return false;
    case 'retry':
      return waitingFor.until === undefined || Date.parse(waitingFor.until) <= now;
    case 'lane':
    case 'no_worker':
    case 'budget':
      return true;
    case undefined:
      return status === 'running';
  }
};
