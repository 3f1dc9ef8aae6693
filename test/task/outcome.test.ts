import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/kernel/random.ts';
import { backoffMs } from '../../src/kernel/backoff.ts';
import type { Outcome } from '../../src/task/executor.ts';
import { nakMaxMs, recordAfter } from '../../src/task/outcome.ts';
import type { TaskRecord } from '../../src/task/record.ts';
import { begun, firstRecord, stepped } from '../../src/task/transitions.ts';

const now = Date.UTC(2026, 0, 1);
const random = seededRandom(1);
const retry = { max: 3, firstMs: 1_000, factor: 2, maxMs: 300_000 };
const error = { code: 'e', message: 'it broke' };

const running = (change: Partial<TaskRecord> = {}): TaskRecord => ({
  ...begun(
    firstRecord({
      id: 'a',
      type: 't',
      route: { pool: 'p', lane: 'normal', partition: '0' },
      inputHash: 'h',
      submittedAt: now,
    }),
    { stream: 'WORK_p', seq: 1, deliveries: 1 },
    'w',
    now,
  ),
  ...change,
});

describe('backoff', () => {
  const backoff = fc.record({
    firstMs: fc.integer({ min: 1, max: 60_000 }),
    factor: fc.double({ min: 1, max: 100, noNaN: true }),
    maxMs: fc.integer({ min: 1, max: 86_400_000 }),
  });

  test('lies between nothing and first × factor^(failures − 1), and never above max', () => {
    fc.assert(
      fc.property(backoff, fc.integer({ min: 1, max: 1_000 }), fc.nat(), (each, failures, seed) => {
        const ms = backoffMs(each, failures, seededRandom(seed));
        const ceiling = Math.min(each.maxMs, each.firstMs * each.factor ** (failures - 1));
        expect(ms).toSatisfy(
          (value: number) => Number.isSafeInteger(value) && value >= 0 && value <= Math.ceil(ceiling),
        );
      }),
    );
  });

  test('is spread over the whole of it', () => {
    const each = { firstMs: 1_000, factor: 2, maxMs: 4_000 };
    const sample = Array.from({ length: 2_000 }, () => backoffMs(each, 5, random));
    expect(sample.reduce((sum, ms) => sum + ms, 0) / sample.length).toBeCloseTo(2_000, -3);
    expect(Math.min(...sample)).toBeLessThan(40);
    expect(Math.max(...sample)).toBeGreaterThan(3_960);
  });
});

describe('a failure', () => {
  const fail = (record: TaskRecord, retryAfterMs: number): TaskRecord =>
    recordAfter(record, { type: 'failed', error, retryAfterMs }, { retry, now, random });

  test('is tried again after the wait that it asks for: by nak if it is short, by SCHED if it is long', () => {
    expect(fail(running(), nakMaxMs).waiting).toEqual({
      for: 'retry',
      n: 1,
      until: new Date(now + nakMaxMs).toISOString(),
      scheduled: false,
    });
    expect(fail(running(), nakMaxMs + 1).waiting).toMatchObject({ scheduled: true });
  });

  test('is tried again after a backoff where it asks for nothing', () => {
    const { waiting } = recordAfter(running({ failures: 1 }), { type: 'failed', error }, { retry, now, random });
    const ms = Date.parse(waiting?.until ?? '') - now;
    expect(ms).toSatisfy((each: number) => each >= 0 && each <= 2_000);
  });

  test('is not tried again before it may be, and by the backoff where that is longer', () => {
    const longest = { next: () => 1 - Number.EPSILON, nonce: () => 'n' };
    const until = (notBeforeMs: number): number => {
      const failure: Outcome = { type: 'failed', error, notBeforeMs };
      const { waiting } = recordAfter(running(), failure, { retry, now, random: { ...random, ...longest } });
      return Date.parse(waiting?.until ?? '') - now;
    };
    expect([until(0), until(1_500)]).toEqual([1_000, 1_500]);
  });

  test('in which nothing was tried does not count, however often it comes', () => {
    const failure: Outcome = { type: 'failed', error, untried: true };
    const after = recordAfter(running({ failures: 2 }), failure, { retry, now, random });
    expect(after).toMatchObject({ status: 'waiting', failures: 2, error });
  });

  test('as often as the task may have is its end', () => {
    expect(fail(running({ failures: 1 }), 0)).toMatchObject({ status: 'waiting', failures: 2, error });
    expect(fail(running({ failures: 2 }), 0)).toMatchObject({
      status: 'dead',
      failures: 3,
      reason: 'exhausted',
      error,
    });
  });

  test('whose next attempt would come too late is the end, and says so with the last error', () => {
    const record = running({ deadline: new Date(now + 1_000).toISOString() });
    expect(fail(record, 999)).toMatchObject({ status: 'waiting' });
    expect(fail(record, 1_000)).toMatchObject({
      status: 'dead',
      reason: 'deadline',
      failures: 1,
      error: { code: 'deadline_exceeded', message: expect.stringContaining('it broke') },
    });
  });

  test('keeps the steps that were recorded, but those to be made anew', () => {
    const step = (name: string, key: string) => ({ name, key, at: new Date(now).toISOString(), ms: 1 });
    const record = ['a', 'b', 'a'].reduce((each, name, n) => stepped(each, step(name, String(n))), running());
    const outcome = { type: 'failed', error, forget: ['a', 'none'] } as const;
    expect(recordAfter(record, outcome, { retry, now, random }).steps.map(({ name }) => name)).toEqual(['b']);
    expect(fail(record, 0).steps).toHaveLength(3);
    const one = { type: 'failed', error, forget: ['a:2'] } as const;
    expect(recordAfter(record, one, { retry, now, random }).steps.map(({ key }) => key)).toEqual(['0', '1']);
    const last = recordAfter(record, one, { retry: { ...retry, max: 1 }, now, random });
    expect({ status: last.status, steps: last.steps.length }).toEqual({ status: 'dead', steps: 2 });
  });
});

test('what its handler rejects is failed and has no dead letter; what Troupe refuses is dead, with its reason', () => {
  const circumstances = { retry, now, random };
  expect(recordAfter(running(), { type: 'rejected', error }, circumstances)).toMatchObject({ status: 'failed', error });
  expect(recordAfter(running(), { type: 'rejected', error }, circumstances).reason).toBeUndefined();
  expect(recordAfter(running(), { type: 'refused', reason: 'invalid_input', error }, circumstances)).toMatchObject({
    status: 'dead',
    reason: 'invalid_input',
    failures: 0,
  });
});
