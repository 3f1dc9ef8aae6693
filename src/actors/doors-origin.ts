/** What a task is that has no record yet, from the message that waits for it. */
import { streams, subjects } from '../bus/subjects.ts';
import { findStored } from '../task/find.ts';
import { type Inbox, originInInbox } from '../task/inbox.ts';
import { saidOf } from '../task/message.ts';
import type { TaskPorts } from '../task/ports.ts';
import type { Origin } from '../task/transitions.ts';
import type { TaskStatus } from '../task/status.ts';

export const originOf = async (
  ports: Pick<TaskPorts, 'queue' | 'region'> & { readonly inbox: Inbox },
  { type, id, pool, lane, inputHash, waitingFor }: TaskStatus,
  recordKey: string,
): Promise<Origin> => {
  const inInbox = waitingFor?.reason === 'inbox';
  const message = inInbox ? await ports.inbox.find(recordKey) : undefined;
  if (message) return originInInbox(message, recordKey);
  // What has left the inbox meanwhile may be in any pool.
  const pools = inInbox
    ? await ports.queue.streamsTaking(subjects.workOfRegion(ports.region))
    : [streams.work(ports.region, pool)];
  const stored = await findStored(ports, recordKey, pools);
  const said = stored ? saidOf(stored) : { submittedAt: ports.queue.now() };
  return { type, id, route: { pool, lane, partition: '0' }, inputHash, ...said };
};
