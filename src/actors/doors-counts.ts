/** How many tasks of a group are where: its members by the group's keys, what has become of them by the history. */
import { encodeId, splitTaskKey } from '../bus/subjects.ts';
import type { Store } from '../store/store.ts';
import { membersOf } from '../task/group.ts';
import type { TaskPorts } from '../task/ports.ts';
import type { CountsAnswer } from '../task/doors.ts';
import { nextOfGroup } from './doors-next.ts';

const begun = ['running', 'waiting', 'completed', 'failed', 'cancelled', 'dead'] as const;

/** The members themselves: what the history has under the group's name may be of another time, and a member under none. */
export const countGroup = async (
  ports: Pick<TaskPorts, 'queue'>,
  store: Pick<Store, 'countByStatus'>,
  group: string,
): Promise<CountsAnswer> => {
  const next = nextOfGroup(encodeId(group));
  const members = await membersOf(ports, group);
  const byStatus = await store.countByStatus(members.map(splitTaskKey));
  const [running = 0, waiting = 0, completed = 0, failed = 0, cancelled = 0, dead = 0] = begun.map(
    (status) => byStatus[status] ?? 0,
  );
  const queued = members.length - running - waiting - completed - failed - cancelled - dead;
  return { group, total: members.length, queued, running, waiting, completed, failed, cancelled, dead, next };
};
