/** How many tasks of a group are where: all of them by the group's keys, those that have begun by the history. */
import { encodeId } from '../bus/subjects.ts';
import type { Store } from '../store/store.ts';
import { membersOf } from '../task/group.ts';
import type { TaskPorts } from '../task/ports.ts';
import type { CountsAnswer } from '../task/doors.ts';
import { nextOfGroup } from './doors-next.ts';

const begun = ['running', 'waiting', 'completed', 'failed', 'cancelled', 'dead'] as const;

export const countGroup = async (
  ports: Pick<TaskPorts, 'queue'>,
  store: Pick<Store, 'groupCounts'>,
  group: string,
): Promise<CountsAnswer> => {
  const next = nextOfGroup(encodeId(group));
  const [members, byStatus] = await Promise.all([membersOf(ports, group), store.groupCounts(group)]);
  const [running = 0, waiting = 0, completed = 0, failed = 0, cancelled = 0, dead = 0] = begun.map(
    (status) => byStatus[status] ?? 0,
  );
  const known = running + waiting + completed + failed + cancelled + dead;
  // A task may be in the history before its key is in the group.
  const total = Math.max(members.length, known);
  return { group, total, queued: total - known, running, waiting, completed, failed, cancelled, dead, next };
};
