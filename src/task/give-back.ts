/**
 * Hands back a task that nobody has begun, as a node does that stops. The record is made for it, and says so: without
 * one, the next delivery would pass for the second attempt after one that took its worker down.
 */
import type { Delivery } from '../bus/queue.ts';
import { ConflictError, RefusedError, TimeoutError, UnavailableError } from '../kernel/errors.ts';
import { mayBeForgotten } from './claim.ts';
import { decodeTask, type Task } from './message.ts';
import type { TaskPorts } from './ports.ts';
import { encodeRecord } from './record.ts';
import { firstRecord, handedBack } from './transitions.ts';

export const giveBack = async (ports: TaskPorts, delivery: Delivery): Promise<void> => {
  const task = decodeTask(delivery);
  if (task && isNew(ports, delivery, task)) await note(ports, delivery, task);
  delivery.nak();
};

/** Nobody can have a record of it but by another message. */
const isNew = ({ queue, shortestLifeMs }: TaskPorts, { deliveries }: Delivery, task: Task): boolean =>
  deliveries === 1 && task.resume === 0 && !mayBeForgotten({ task, now: queue.now(), lifeMs: shortestLifeMs });

const note = async ({ queue, records, random }: TaskPorts, { stream, seq }: Delivery, task: Task): Promise<void> => {
  const record = { ...handedBack(firstRecord(task), queue.now()), held: { stream, seq }, w: random.nonce() };
  try {
    await records.update(task.recordKey, encodeRecord(record), 0);
  } catch (error) {
    if (!isHarmless(error)) throw error;
  }
};

/** It has another record, or nobody answers: then one attempt may be counted that was none, and nothing else comes of it. */
export const isHarmless = (error: unknown): boolean =>
  [ConflictError, TimeoutError, UnavailableError, RefusedError].some((kind) => error instanceof kind);
