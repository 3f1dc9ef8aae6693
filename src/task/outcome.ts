/** What an attempt's outcome makes of the record. */
import type { Random } from '../kernel/random.ts';
import { backoffMs } from '../kernel/backoff.ts';
import type { Outcome, Runnable } from './executor.ts';
import { type Failure, isNamed, type TaskRecord } from './record.ts';
import { charged, completed, dead, failed, rejected } from './transitions.ts';

/** A longer wait goes through SCHED: a nak'ed message takes one of its consumer's places while it waits. */
export const nakMaxMs = 5_000;

export interface Circumstances {
  readonly retry: Runnable['retry'];
  /** Server's clock, epoch ms. */
  readonly now: number;
  readonly random: Random;
}

export const recordAfter = (before: TaskRecord, outcome: Outcome, circumstances: Circumstances): TaskRecord => {
  const { now } = circumstances;
  const record = outcome.usage ? charged(before, outcome.usage) : before;
  switch (outcome.type) {
    case 'completed':
      return completed(record, outcome.result, now);
    case 'rejected':
      return rejected(record, outcome.error, now);
    case 'refused':
      return dead(record, outcome.reason, outcome.error, now);
    case 'failed':
      return afterFailure(record, outcome, circumstances);
  }
};

const afterFailure = (
  record: TaskRecord,
  { error, retryAfterMs, notBeforeMs = 0, untried, forget = [], alone }: Extract<Outcome, { type: 'failed' }>,
  { retry, now, random }: Circumstances,
): TaskRecord => {
  const failures = untried ? record.failures : record.failures + 1;
  // A dead task's too: a redrive begins with its steps.
  const kept =
    forget.length === 0 ? record : { ...record, steps: record.steps.filter((step) => !isNamed(step, forget)) };
  if (failures >= retry.max) return dead({ ...kept, failures }, 'exhausted', error, now);
  const delayMs = retryAfterMs ?? Math.max(notBeforeMs, backoffMs(retry, Math.max(1, failures), random));
  const until = now + delayMs;
  if (record.deadline !== undefined && until >= Date.parse(record.deadline))
    return dead({ ...kept, failures }, 'deadline', pastDeadline(record, error), now);
  const waiting = failed(alone ? { ...kept, alone } : kept, error, until, delayMs > nakMaxMs);
  return { ...waiting, failures };
};

const pastDeadline = ({ deadline }: TaskRecord, last: Failure): Failure => ({
  code: 'deadline_exceeded',
  message: `no attempt is left before the deadline, ${deadline}; the last one failed: ${last.message}`,
});
