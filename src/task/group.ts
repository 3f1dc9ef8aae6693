/**
 * Tasks that are counted together: one key a task, whatever door it came by. The key is there before the task is
 * accepted, so that a full bucket refuses the task and not its member; it goes by itself unless the task is accepted.
 */
import { z } from 'zod';
import { decodeAs, encodeJson } from '../bus/json.ts';
import { buckets, encodeId, streams, subjects } from '../bus/subjects.ts';
import { bucket } from '../kv/bucket.ts';
import { ConflictError, OverloadedError, RefusedError } from '../kernel/errors.ts';
import { untilAnswered } from '../kernel/unanswered.ts';
import type { TaskPorts } from './ports.ts';

/** How long a group remembers a task, from when it is submitted or due. */
const memberLifeMs = 7 * 86_400_000;
/** Longer than accepting may take. */
const announcedLifeMs = 120_000;
const giveUpAfterMs = 30_000;
const overloadedRetryMs = 1_000;
const readsAtOnce = 8_192;
/** What a key says. */
const told = z.object({ submittedAt: z.int().min(0).max(8.64e15) });

type GroupPorts = Pick<TaskPorts, 'queue' | 'clock' | 'random'> & Partial<Pick<TaskPorts, 'log'>>;

export interface Member {
  readonly group: string;
  readonly recordKey: string;
  /** Epoch ms. */
  readonly submittedAt: number;
  /** Likewise, where it is delayed. */
  readonly dueAt: number | undefined;
}

/**
 * Accepts a task as a member of its group; one that is known already, as submitted when `accept` says that it was. Throws
 * `OverloadedError` where the group takes no more, and `TimeoutError` or `UnavailableError` after 30 s; it may be accepted
 * then, and the same again is safe.
 */
export const acceptAsMember = async <T extends Partial<Pick<Member, 'submittedAt'>>>(
  ports: GroupPorts,
  joining: Member,
  accept: () => Promise<T>,
): Promise<T> => {
  await untilAnswered({ ...ports, giveUpAfterMs }, () => announce(ports, joining));
  const accepted = await accept();
  const { submittedAt = joining.submittedAt } = accepted;
  await untilAnswered({ ...ports, giveUpAfterMs }, () => join(ports, { ...joining, submittedAt }));
  return accepted;
};

const groupsOf = ({ queue }: GroupPorts) => bucket(queue, buckets.groups);
const keyOf = ({ group, recordKey }: Member): string => `${encodeId(group)}.${recordKey}`;

const announce = async (ports: GroupPorts, joining: Member): Promise<void> => {
  // Larger than a member with its longer TTL, which a full bucket then takes in its place.
  const announced = encodeJson({ submittedAt: joining.submittedAt, accepted: false });
  try {
    await groupsOf(ports).update(keyOf(joining), announced, 0, { ttlMs: announcedLifeMs });
  } catch (error) {
    if (error instanceof ConflictError) return; // It is a member, or announced.
    if (!(error instanceof RefusedError)) throw error;
    throw new OverloadedError(`group "${joining.group}" takes no more tasks (${error.message})`, {
      cause: error,
      retryAfterMs: overloadedRetryMs,
    });
  }
};

const join = async (ports: GroupPorts, joining: Member): Promise<void> => {
  const ttlMs = memberLifeMs + Math.max(0, (joining.dueAt ?? 0) - ports.queue.now());
  try {
    await groupsOf(ports).put(keyOf(joining), encodeJson({ submittedAt: joining.submittedAt }), { ttlMs });
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    // Replicas may have no room even for what takes the place of more. Its task is accepted, and must not be submitted twice.
    const { group, recordKey } = joining;
    ports.log?.warn({ err: error, group, task: recordKey }, 'a task runs without its group, which takes no more');
  }
};

const stream = streams.bucket(buckets.groups);
/** Of its members' keys, as subjects: anybody may have published what is no key. */
const prefixOf = (group: string): string => subjects.entry(buckets.groups, `${encodeId(group)}.`);

/** The record keys of all that were submitted as `group`. */
export const membersOf = async ({ queue }: Pick<TaskPorts, 'queue'>, group: string): Promise<readonly string[]> => {
  const prefix = prefixOf(group);
  const found = await queue.subjects(stream, `${prefix}>`);
  return [...found.keys()].map((subject) => subject.slice(prefix.length));
};

/** When these members were submitted, epoch ms, by record key; those are absent that nobody knows that of. */
export const submissionsOf = async (
  { queue }: Pick<TaskPorts, 'queue'>,
  group: string,
  members: readonly string[],
): Promise<ReadonlyMap<string, number>> => {
  const prefix = prefixOf(group);
  const submissions = new Map<string, number>();
  for (let read = 0; read < members.length; read += readsAtOnce) {
    const some = members.slice(read, read + readsAtOnce).map((recordKey) => prefix + recordKey);
    for (const { subject, data } of (await queue.lastOfEach(stream, some)).values()) {
      const said = decodeAs(told, data); // Else it was written by an earlier version, or by hand.
      if (said) submissions.set(subject.slice(prefix.length), said.submittedAt);
    }
  }
  return submissions;
};
