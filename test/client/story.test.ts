import { describe, expect, test } from 'vitest';
import { story } from '../../src/client/story.ts';
import type { RunEvent } from '../../src/index.ts';
import { encodeRecord, type TaskRecord } from '../../src/task/record.ts';
import { begun, cancelled, completed, failed, firstRecord, rejected } from '../../src/task/transitions.ts';
import type { TaskStatus } from '../../src/task/status.ts';

const delivery = { stream: 'WORK_default', seq: 1, deliveries: 1 };
const first = firstRecord({
  type: 't',
  id: 'a',
  route: { pool: 'default', lane: 'normal', partition: '0' },
  inputHash: 'h',
  submittedAt: 0,
});
const running = begun(first, delivery, 'w', 1_000);
const error = { code: 'broken', message: 'it broke' };
const waiting = failed(running, error, 5_000, false);
const again = begun(waiting, delivery, 'w', 5_000);

const entry = (record: TaskRecord, at = 0) => ({ value: encodeRecord(record), at });
const token = (seq: number, event: object) => ({
  seq,
  data: new TextEncoder().encode(JSON.stringify({ attempt: 1, at: '2026-01-01T00:00:00.000Z', ...event })),
});
const types = (events: readonly RunEvent[]): readonly string[] =>
  events.map(({ type, n, attempt }) => `${type} ${n} ${attempt}`);
const end: TaskStatus = {
  id: 'a',
  type: 't',
  status: 'completed',
  attempt: 2,
  pool: 'default',
  lane: 'normal',
  usage: { inputTokens: 0, outputTokens: 0, usd: 0 },
  inputHash: 'h',
  output: 1,
};

describe('the story of a run', () => {
  test('tells each thing once, however often it is seen', () => {
    const told = story(0);
    expect(types(told.record(entry(running)))).toEqual(['queued 0 0', 'started 0 1']);
    expect(told.record(entry(running))).toEqual([]);
    expect(types(told.token(token(7, { type: 'progress', value: 1 })))).toEqual(['progress 7 1']);
    expect(told.record(entry(waiting, 2_000))).toEqual([
      { type: 'retrying', n: 7, attempt: 1, at: new Date(2_000), code: 'broken', error: 'it broke', delayMs: 3_000 },
    ]);
    expect(told.record(entry(waiting, 2_000))).toEqual([]);
    expect(types(told.record(entry(again)))).toEqual(['started 7 2']);
    expect(told.end(end, new Date(0), 7)).toEqual({ type: 'completed', n: 8, at: new Date(0), attempt: 2, output: 1 });
  });

  test('begins with what it sees first', () => {
    expect(types(story(0).token(token(3, { type: 'step', name: 's', ms: 1, replayed: false })))).toEqual([
      'queued 0 0',
      'started 0 1',
      'step 3 1',
    ]);
    expect(types(story(0).queued(new Date(0)))).toEqual(['queued 0 0']);
    expect(types(story(0).record(entry(again)))).toEqual(['queued 0 0', 'started 0 2']);
  });

  test('goes on from where its reader left off, without a number that was told', () => {
    const told = story(8);
    expect(types(told.record(entry(again)))).toEqual(['started 7 2']);
    expect(types(told.token(token(9, { type: 'progress', value: 1, attempt: 2 })))).toEqual(['progress 9 2']);
    expect(told.end(end, new Date(0), 0).n).toBe(10);
  });

  test('passes over what it does not know', () => {
    const told = story(0);
    expect(told.token({ seq: 1, data: new TextEncoder().encode('{') })).toEqual([]);
    expect(told.token(token(2, { type: 'of the future' }))).toEqual([]);
    expect(told.record({ value: new TextEncoder().encode('{}'), at: 0 })).toEqual([]);
    expect(told.end(end, new Date(0), 0).n).toBe(3);
  });

  test.each([
    ['failed', rejected(running, error, 0), { type: 'failed', code: 'broken', error: 'it broke' }],
    ['cancelled', cancelled(first, undefined, 0), { type: 'cancelled' }],
    ['completed', completed(running, undefined, 0), { type: 'completed' }],
  ] as const)('ends as %s', (status, record, expected) => {
    const told = story(0);
    told.record(entry(record));
    const { output: _none, ...rest } = end;
    expect(told.end({ ...rest, status, ...(record.error && { error: record.error }) }, new Date(0), 0)).toMatchObject(
      expected,
    );
  });

  test('of a run that was cancelled before it began, says that it was queued', () => {
    expect(types(story(0).record(entry(cancelled(first, 'why', 0))))).toEqual(['queued 0 0']);
  });
});
