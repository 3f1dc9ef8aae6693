/** What a task is that has no record yet, from the message that waits for it. */
import { streams } from '../bus/subjects.ts';
import { findStored } from '../task/find.ts';
import { saidOf } from '../task/message.ts';
import type { TaskPorts } from '../task/ports.ts';
import type { Origin } from '../task/transitions.ts';
import type { TaskStatus } from '../task/status.ts';

export const originOf = async (
  ports: Pick<TaskPorts, 'queue' | 'region'>,
  { type, id, pool, lane, inputHash }: TaskStatus,
  recordKey: string,
): Promise<Origin> => {
  const stored = await findStored(ports, recordKey, [streams.work(ports.region, pool)]);
  const said = stored ? saidOf(stored) : { submittedAt: ports.queue.now() };
  return { type, id, route: { pool, lane, partition: '0' }, inputHash, ...said };
};
