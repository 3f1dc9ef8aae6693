/** Taking a task over: from a delivery and the record to a claim that is written, or to a delivery that is settled. */
import type { Entry } from '../kv/kv.ts';
import { ifFound } from '../kernel/found.ts';
import { isUnanswered } from '../kernel/unanswered.ts';
import { splitTaskKey } from '../bus/subjects.ts';
import { type Decision, decide, decideLoser, type Situation } from './claim.ts';
import { type Settling, settle, settleConflict } from './duties.ts';
import type { TaskPorts } from './ports.ts';
import { type Held, isTerminal, lostMax, type TaskRecord } from './record.ts';
import { recordOf, writeRecord } from './records.ts';
import { dead } from './transitions.ts';

export interface Claim {
  readonly record: TaskRecord;
  /** Of `record` in KV; 0 if nothing is written yet. */
  readonly revision: number;
}

/** Somebody who must be asked cannot be asked now. */
const askAgainMs = 5_000;

/** Who wants the task. */
export type Claimant = Pick<Situation, 'worker' | 'claimedFirst'>;

/** The claim, or `undefined` when there is nothing to run and the delivery is settled. */
export const takeOver = async (settling: Settling, claimant: Claimant): Promise<Claim | undefined> => {
  const { ports, delivery, task } = settling;
  let entry = await ports.records.get(task.recordKey);
  for (;;) {
    const decision = await decideInformed(settling, claimant, recordOf(entry));
    if (!decision) {
      delivery.nak(askAgainMs);
      return undefined;
    }
    const next = toWrite(decision, ports.queue.now());
    if (!next) return settleUnclaimed(settling, decision, entry);
    const ttlMs = isTerminal(next) ? ports.recordLifeMs() : undefined;
    const written = await writeRecord(ports, task.recordKey, next, { expected: entry?.revision ?? 0, ttlMs });
    if (written.type === 'written') {
      if (decision.type === 'run') return { record: next, revision: written.revision };
      ports.metrics.tasks.labels(next.type, next.status).inc();
      await settle(settling, next);
      return undefined;
    }
    entry = written.current;
  }
};

/** Settles a first delivery if there is nothing to run. Else it goes back, as its worker runs another task by now. */
export const dispose = async (settling: Settling, claimant: Claimant): Promise<void> => {
  const entry = await settling.ports.records.get(settling.task.recordKey);
  const decision = await decideInformed(settling, claimant, recordOf(entry));
  if (!decision || toWrite(decision, settling.ports.queue.now())) settling.delivery.nak();
  else await settleUnclaimed(settling, decision, entry);
};

/** For an attempt that has lost its task: the record is another's, and what it says is what happens to this delivery. */
export const settleAsLoser = async (settling: Settling): Promise<void> => {
  const entry = await settling.ports.records.get(settling.task.recordKey);
  await settleUnclaimed(settling, decideLoser(recordOf(entry), settling), entry);
};

type Informed = Exclude<Decision, { readonly type: 'ask' }>;

/** The decision, once all is asked that it needs to know; `undefined` where somebody cannot be asked now. */
export const decideInformed = async (
  settling: Settling,
  claimant: Claimant,
  record: TaskRecord | undefined,
): Promise<Informed | undefined> => {
  const { ports, delivery, task } = settling;
  let known: Pick<Situation, 'heldIsStored' | 'forgotten'> = {};
  for (;;) {
    const now = ports.queue.now();
    const decision = decide(record, { delivery, task, ...claimant, now, lifeMs: ports.shortestLifeMs, ...known });
    if (decision.type !== 'ask') return decision;
    const answer = await ask(settling, decision);
    if (!answer) return undefined;
    known = answer;
  }
};

const toWrite = (decision: Informed, now: number): TaskRecord | undefined => {
  if (decision.type === 'run') return decision.record;
  if (decision.type !== 'crashed') return undefined;
  const message = `${lostMax} attempts ended without an outcome: their workers died, the last one was ${decision.record.worker ?? 'unknown'}`;
  return dead(decision.record, 'crash', { code: 'crash', message }, now);
};

const settleUnclaimed = async (
  settling: Settling,
  decision: Informed,
  entry: Entry | undefined,
): Promise<undefined> => {
  const { delivery, ports, task } = settling;
  if (decision.type === 'conflict') await settleConflict(settling);
  else if (decision.type === 'settle') await settle(settling, decision.record);
  else if (decision.type === 'later') delivery.nak(decision.delayMs);
  else if (decision.type === 'drop') {
    ports.log.debug({ task: task.recordKey, seq: delivery.seq, revision: entry?.revision }, 'dropped a twin');
    delivery.ack();
  }
};

const ask = async (
  { ports, task: { recordKey, submittedAt } }: Settling,
  { about }: Extract<Decision, { type: 'ask' }>,
): Promise<Pick<Situation, 'heldIsStored' | 'forgotten'> | undefined> => {
  try {
    if (about.type === 'held') return { heldIsStored: await isStored(ports, about.held, recordKey) };
    const { type, id } = splitTaskKey(recordKey);
    const row = await ports.history.task(type, id);
    // What KV had forgotten when this one was submitted was an earlier task, and the id free again.
    const freeAt = submittedAt - ports.shortestLifeMs;
    return { forgotten: row?.finishedAt !== undefined && Date.parse(row.finishedAt) > freeAt };
  } catch (error) {
    if (isUnanswered(error)) return undefined;
    throw error;
  }
};

/** A stream that is gone holds nothing; one that was made anew may hold another task at the place. */
const isStored = async ({ queue }: TaskPorts, { stream, seq }: Held, recordKey: string): Promise<boolean> => {
  const stored = await ifFound(queue.get(stream, seq));
  return stored?.subject.endsWith(`.${recordKey}`) ?? false;
};
