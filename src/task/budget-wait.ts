/**
 * A task that waits for a permit of its budget, and has for a while: its record says so, for whoever asks, and counts no
 * attempt for it, however often the task is handed out before it starts.
 */
import type { Delivery } from '../bus/queue.ts';
import type { Decision } from './claim.ts';
import { type Settling, settle } from './duties.ts';
import { isHarmless } from './give-back.ts';
import { decodeTask } from './message.ts';
import type { TaskPorts } from './ports.ts';
import { encodeRecord, holds } from './record.ts';
import { recordOf } from './records.ts';
import { decideInformed } from './take.ts';
import { type BudgetWait, firstRecord, waitingForBudget } from './transitions.ts';

/** Once, if the task is this delivery's to run; a task that somebody else has, or that has ended, stays as it is. */
export const noteBudgetWait = async (ports: TaskPorts, delivery: Delivery, wait: BudgetWait): Promise<void> => {
  const task = decodeTask(delivery);
  if (task) await note({ ports, delivery, task }, wait);
};

/** Hands the task back, to come again in `delayMs`; one that has ended is settled. */
export const giveBackForBudget = async (
  ports: TaskPorts,
  delivery: Delivery,
  wait: BudgetWait,
  delayMs: number,
): Promise<void> => {
  const task = decodeTask(delivery);
  const decision = task && (await note({ ports, delivery, task }, wait));
  if (task && decision?.type === 'settle') return settle({ ports, delivery, task }, decision.record);
  if (decision?.type === 'leave') return;
  delivery.nak(delayMs);
};

/** Answers what is to become of the delivery, as far as that is known. */
const note = async (settling: Settling, wait: BudgetWait): Promise<Decision | undefined> => {
  const { ports, delivery, task } = settling;
  try {
    const entry = await ports.records.get(task.recordKey);
    const record = recordOf(entry);
    if (record?.waiting?.for === 'budget' && holds(record, delivery)) return undefined;
    const decision = await decideInformed(settling, { worker: record?.worker ?? '', claimedFirst: true }, record);
    if (decision?.type !== 'run') return decision;
    const waits = waitingForBudget(record ?? firstRecord(task), decision.record, wait, ports.queue.now());
    const value = encodeRecord({ ...waits, w: ports.random.nonce() });
    await ports.records.update(task.recordKey, value, entry?.revision ?? 0);
    return decision;
  } catch (error) {
    if (!isHarmless(error)) throw error;
    return undefined;
  }
};
