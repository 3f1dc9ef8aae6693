/** Rows for tests: complete, and as plain as can be. */
import type { DeadLetterRow, Mark, StepRow, TaskRow } from '../../src/store/store.ts';

export const row = (change: Partial<TaskRow> = {}): TaskRow => ({
  type: 'summarise',
  id: 'one',
  incarnation: 'a',
  revision: 1,
  pool: 'default',
  lane: 'normal',
  key: undefined,
  tenant: undefined,
  group: undefined,
  title: undefined,
  status: 'running',
  reason: undefined,
  attempt: 1,
  failures: 0,
  worker: undefined,
  inputHash: undefined,
  input: undefined,
  result: undefined,
  error: undefined,
  waiting: undefined,
  usage: undefined,
  parent: undefined,
  redriveOf: undefined,
  deadline: undefined,
  createdAt: '2026-01-01T10:00:00.000Z',
  startedAt: undefined,
  finishedAt: undefined,
  steps: [],
  ...change,
});

export const step = (name: string, change: Partial<StepRow> = {}): StepRow => ({
  name,
  key: '',
  position: 0,
  result: '1',
  at: '2026-01-01T10:00:01.250Z',
  ms: 12.5,
  ...change,
});

export const letter = (change: Partial<DeadLetterRow> = {}): DeadLetterRow => ({
  type: 'summarise',
  id: 'one',
  reason: 'exhausted',
  pool: 'default',
  error: '{"code":"unknown","message":"no"}',
  body: 'anything',
  at: '2026-01-01T10:00:00.000Z',
  incarnation: 'd',
  revision: 1,
  ...change,
});

export const mark = (change: Partial<Mark> = {}): Mark => ({
  stream: 'KV_tasks',
  source: 'a',
  incarnation: 'a',
  revision: 1,
  digest: 'd',
  ...change,
});
