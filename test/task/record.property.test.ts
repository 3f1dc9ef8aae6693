import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Lane, lanes } from '../../src/bus/subjects.ts';
import { outcomes, random, retry, terminal } from './arbitrary.ts';
import { recordAfter } from '../../src/task/outcome.ts';
import { decodeRecord, encodeRecord, holds, isTerminal, type TaskRecord } from '../../src/task/record.ts';
import {
  begun,
  begunAfterLoss,
  cancelled,
  dead,
  failed,
  firstRecord,
  handedBack,
  waitingForBudget,
  type Origin,
  rejected,
  stepped,
} from '../../src/task/transitions.ts';

const start = Date.UTC(2026, 0, 1);
const error = { code: 'e', message: 'it broke' };
const origin: fc.Arbitrary<Origin> = fc.record(
  {
    id: fc.string({ minLength: 1 }),
    type: fc.stringMatching(/^[a-z]{1,8}$/),
    route: fc.record({ pool: fc.constant('p'), lane: fc.constantFrom<Lane>(...lanes), partition: fc.constant('0') }),
    inputHash: fc.string(),
    submittedAt: fc.integer({ min: start, max: start + 1e9 }),
    key: fc.string(),
    tenant: fc.string(),
    group: fc.string(),
    parent: fc.string(),
    redriveOf: fc.string(),
    deadlineAt: fc.integer({ min: start, max: start + 1e9 }),
  },
  { requiredKeys: ['id', 'type', 'route', 'inputHash', 'submittedAt'] },
);

/** What can happen to a task that has not ended, one after the other. */
type Event =
  | { readonly is: 'attempt' | 'crash' | 'handback' }
  | { readonly is: 'step'; readonly name: string }
  | { readonly is: 'failure' };
const event: fc.Arbitrary<Event> = fc.oneof(
  fc.constantFrom<Event>({ is: 'attempt' }, { is: 'crash' }, { is: 'handback' }, { is: 'failure' }),
  fc.string().map((name): Event => ({ is: 'step', name })),
);
const held = { stream: 'WORK_p', seq: 3, deliveries: 1 };

const after = (record: TaskRecord, it: Event): TaskRecord => {
  switch (it.is) {
    case 'attempt':
      return begun(record, held, 'w', start);
    case 'crash':
      return begunAfterLoss(record, held, 'w', start);
    case 'handback':
      return handedBack(record, start);
    case 'failure':
      return failed(record, error, start + 1, false);
    case 'step':
      return stepped(record, { name: it.name, result: [it.name], at: new Date(start).toISOString(), ms: 1 });
  }
};

const lived = fc
  .tuple(origin, fc.array(event, { maxLength: 12 }))
  .map(([from, events]) => events.reduce(after, begun(firstRecord(from), held, 'w', start)));

describe('a record', () => {
  test('is read as it was written', () => {
    fc.assert(
      fc.property(fc.oneof(lived, terminal(lived)), (record) => {
        expect(decodeRecord(encodeRecord(record))).toEqual(JSON.parse(JSON.stringify(record)));
      }),
    );
  });

  test('is none where something else was written', () => {
    const text = (value: string): Uint8Array => new TextEncoder().encode(value);
    for (const other of ['', '{', 'null', '{}', '{"v":2}', '{"v":1,"status":"asleep"}'])
      expect(decodeRecord(text(other)), other).toBeUndefined();
    expect(decodeRecord(Uint8Array.of(0xff, 0xfe))).toBeUndefined();
    fc.assert(fc.property(fc.uint8Array(), (bytes) => decodeRecord(bytes) === undefined));
  });

  test('of a task that does nothing is small', () => {
    const from = {
      id: 'a'.repeat(22),
      type: 'noop',
      route: { pool: 'default', lane: 'normal', partition: '0' },
      inputHash: 'h'.repeat(27),
      submittedAt: start,
    } as const;
    const record = recordAfter(
      begun(firstRecord(from), held, 'node-1.default.12', start),
      { type: 'completed', result: null },
      { retry, now: start, random },
    );
    expect(encodeRecord({ ...record, w: 'n'.repeat(12) }).length).toBeLessThan(400);
  });
});

describe('counts', () => {
  test('attempts are claims, less what was handed back; failures are recorded ones; the lost have no outcome', () => {
    fc.assert(
      fc.property(origin, fc.array(event, { maxLength: 20 }), (from, events) => {
        let record = firstRecord(from);
        let [attempt, failures, lost, steps] = [0, 0, 0, 0];
        for (const each of events) {
          record = after(record, each);
          if (each.is === 'attempt' || each.is === 'crash') attempt += 1;
          if (each.is === 'handback') attempt = Math.max(0, attempt - 1);
          if (each.is === 'failure') [failures, lost] = [failures + 1, 0];
          if (each.is === 'crash') lost += 1;
          if (each.is === 'step') steps += 1;
        }
        expect([record.attempt, record.failures, record.lost ?? 0, record.steps.length]).toEqual([
          attempt,
          failures,
          lost,
          steps,
        ]);
      }),
    );
  });

  test('each wait has a number of its own', () => {
    fc.assert(
      fc.property(lived, (record) => {
        const budget = waitingForBudget(record, record, { budget: 'crm', node: 'n' }, start);
        for (const wait of [handedBack(record, start), failed(record, error, start, true), budget]) {
          expect(wait.waiting?.n).toBe((record.waits ?? 0) + 1);
          expect(wait.waits).toBe(wait.waiting?.n);
        }
      }),
    );
  });
});

describe('an attempt', () => {
  test('keeps what earlier ones have done, and holds the task in the name of its own message', () => {
    fc.assert(
      fc.property(lived, fc.nat(), (record, seq) => {
        const next = begun(record, { stream: 'WORK_p', seq, deliveries: 1 }, 'other', start + 5);
        expect(next).toMatchObject({
          status: 'running',
          worker: 'other',
          steps: record.steps,
          startedAt: record.startedAt,
        });
        expect(next.waiting).toBeUndefined();
        expect(next.error).toBeUndefined();
        expect(holds(next, { stream: 'WORK_p', seq })).toBe(true);
        expect(holds(next, { stream: 'WORK_q', seq })).toBe(false);
        expect(holds(next, { stream: 'WORK_p', seq: seq + 1 })).toBe(false);
      }),
    );
  });

  test('that ends leaves a record that says so, when, and what it waits for, if it waits', () => {
    fc.assert(
      fc.property(lived, outcomes, fc.integer({ min: 0, max: 5_000 }), (record, outcome, ms) => {
        const now = start + ms;
        const next = recordAfter(record, outcome, { retry, now, random });
        expect(next.status).not.toBe('running');
        expect(isTerminal(next)).toBe(next.finishedAt !== undefined);
        expect(isTerminal(next)).toBe(next.waiting === undefined);
        expect(next.failures - record.failures).toBe(outcome.type === 'failed' || outcome.type === 'rejected' ? 1 : 0);
        expect(next.attempt).toBe(record.attempt);
        expect(next.lost).toBeUndefined();
        if (next.status === 'dead') expect(next.reason).toBeDefined();
        if (next.waiting) expect(Date.parse(next.waiting.until)).toBeGreaterThanOrEqual(now);
      }),
    );
  });

  test('that was cancelled, rejected or given up says why', () => {
    fc.assert(
      fc.property(lived, (record) => {
        expect(cancelled(record, undefined, start)).toMatchObject({
          status: 'cancelled',
          error: { code: 'task_cancelled' },
        });
        expect(cancelled(record, 'enough', start).error?.message).toBe('enough');
        expect(rejected(record, error, start)).toMatchObject({
          status: 'failed',
          error,
          failures: record.failures + 1,
        });
        expect(dead(record, 'crash', error, start)).toMatchObject({ status: 'dead', reason: 'crash', error });
      }),
    );
  });
});
