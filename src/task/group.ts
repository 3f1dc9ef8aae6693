/** Tasks that are counted together: one key a task, written once the task is accepted, whatever door it came by. */
import { buckets, encodeId, streams } from '../bus/subjects.ts';
import { bucket } from '../kv/bucket.ts';
import { TimeoutError, UnavailableError } from '../kernel/errors.ts';
import type { TaskPorts } from './ports.ts';

/** How long a group remembers a task, from when it is submitted or due. */
const memberLifeMs = 7 * 86_400_000;
const retryMs = 250;
const giveUpAfterMs = 30_000;
const member = new TextEncoder().encode('{}');

type GroupPorts = Pick<TaskPorts, 'queue' | 'clock' | 'random'>;

export interface Member {
  readonly group: string;
  readonly recordKey: string;
  /** Epoch ms, where it is delayed. */
  readonly dueAt: number | undefined;
}

/** Throws `TimeoutError` or `UnavailableError` after 30 s: the task is accepted then, and joining again is safe. */
export const joinGroup = async (
  { queue, clock, random }: GroupPorts,
  { group, recordKey, dueAt }: Member,
): Promise<void> => {
  const ttlMs = memberLifeMs + Math.max(0, (dueAt ?? 0) - queue.now());
  const groups = bucket(queue, buckets.groups);
  const until = clock.monotonic() + giveUpAfterMs;
  for (;;) {
    try {
      await groups.put(`${encodeId(group)}.${recordKey}`, member, { ttlMs });
      return;
    } catch (error) {
      const passing = error instanceof TimeoutError || error instanceof UnavailableError;
      if (!passing || clock.monotonic() > until) throw error;
    }
    await clock.sleep(retryMs * (0.5 + random.next()));
  }
};

/** The record keys of all that were submitted as `group`. */
export const membersOf = async ({ queue }: Pick<TaskPorts, 'queue'>, group: string): Promise<readonly string[]> => {
  const prefix = `$KV.${buckets.groups}.${encodeId(group)}.`;
  const found = await queue.subjects(streams.bucket(buckets.groups), `${prefix}>`);
  return [...found.keys()].map((subject) => subject.slice(prefix.length));
};
