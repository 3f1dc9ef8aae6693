/** A task, a message of it, another one, and a record that the first holds. */
import type { Task } from '../../src/task/message.ts';
import type { TaskRecord } from '../../src/task/record.ts';
import { begun, firstRecord } from '../../src/task/transitions.ts';

export const now = Date.UTC(2026, 0, 2);
export const lifeMs = 3_600_000;
const stream = 'WORK_p';
export const own = { stream, seq: 7 };
export const other = { stream, seq: 3 };
export const error = { code: 'e', message: 'it broke' };

export const task = (change: Partial<Task> = {}): Task => ({
  id: 'a',
  type: 't',
  route: { pool: 'p', lane: 'normal', partition: '0' },
  inputHash: 'h',
  submittedAt: now - 1_000,
  recordKey: 't.a',
  resume: 0,
  depth: 0,
  headers: {},
  payload: new Uint8Array(),
  ...change,
});

export const record = (change: Partial<TaskRecord> = {}): TaskRecord => ({
  ...begun(firstRecord(task()), { ...own, deliveries: 1 }, 'old', now - 500),
  ...change,
});
