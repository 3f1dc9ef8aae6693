/** How many tasks of a group are where: its members by the group's keys, what has become of them by the history. */
import { encodeId, splitTaskKey, taskKey } from '../bus/subjects.ts';
import { iso } from '../kernel/iso.ts';
import type { AskedTask, Store } from '../store/store.ts';
import { membersOf, submissionsOf } from '../task/group.ts';
import { clocksApartMs } from '../task/record.ts';
import type { TaskPorts } from '../task/ports.ts';
import type { CountsAnswer } from '../task/doors.ts';
import { nextOfGroup } from './doors-next.ts';

const begun = ['running', 'waiting', 'completed', 'failed', 'cancelled', 'dead'] as const;

type CountPorts = Pick<TaskPorts, 'queue' | 'shortestLifeMs'>;
type Rows = Pick<Store, 'countByStatus' | 'endedBefore'>;

/** The members themselves: what the history has under the group's name may be of another time, and a member under none. */
export const countGroup = async (ports: CountPorts, store: Rows, group: string): Promise<CountsAnswer> => {
  const next = nextOfGroup(encodeId(group));
  const members = await membersOf(ports, group);
  const byStatus = await store.countByStatus(await asked(ports, store, group, members));
  const [running = 0, waiting = 0, completed = 0, failed = 0, cancelled = 0, dead = 0] = begun.map(
    (status) => byStatus[status] ?? 0,
  );
  const queued = members.length - running - waiting - completed - failed - cancelled - dead;
  return { group, total: members.length, queued, running, waiting, completed, failed, cancelled, dead, next };
};

/**
 * Since when each of them has been submitted, where the history may still tell of an earlier task of its id. Of what ended
 * lately it does not: its record lives, and who submits it again means the same task.
 */
const asked = async (
  ports: CountPorts,
  store: Rows,
  group: string,
  members: readonly string[],
): Promise<readonly AskedTask[]> => {
  const lately = iso(ports.queue.now() - ports.shortestLifeMs / 2);
  const ended = await store.endedBefore(members.map(splitTaskKey), lately);
  const keys = ended.map(({ type, id }) => taskKey(type, id));
  const submissions = await submissionsOf(ports, group, keys);
  return members.map((recordKey) => {
    const submittedAt = submissions.get(recordKey);
    const name = splitTaskKey(recordKey);
    return submittedAt === undefined ? name : { ...name, since: iso(submittedAt - clocksApartMs) };
  });
};
