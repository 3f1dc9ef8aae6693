/** What a task is that has no record yet, from the message that waits for it. */
import { streams, subjects } from '../bus/subjects.ts';
import { header } from '../task/headers.ts';
import { submittedAtOf } from '../task/message.ts';
import { optional } from '../kernel/optional.ts';
import type { TaskPorts } from '../task/ports.ts';
import type { Origin } from '../task/transitions.ts';
import type { TaskStatus } from '../task/status.ts';

export const originOf = async (
  { queue, region }: Pick<TaskPorts, 'queue' | 'region'>,
  { type, id, pool, lane, inputHash }: TaskStatus,
  recordKey: string,
): Promise<Origin> => {
  const inWork = () => queue.last(streams.work(region, pool), subjects.workOfTask(region, recordKey));
  const stored =
    (await inWork()) ??
    (await queue.last(streams.sched, subjects.schedOfTask(recordKey))) ??
    (await queue.last(streams.sched, subjects.dueOfTask(recordKey))) ??
    (await inWork()); // It may have fallen due between the looks.
  const headers = stored?.headers ?? {};
  return optional({
    type,
    id,
    route: { pool, lane, partition: '0' },
    inputHash,
    key: headers[header.key],
    tenant: headers[header.tenant],
    group: headers[header.group],
    parent: headers[header.parent],
    redriveOf: headers[header.redriveOf],
    submittedAt: stored ? submittedAtOf(stored) : queue.now(),
  });
};
