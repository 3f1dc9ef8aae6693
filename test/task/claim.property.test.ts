import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Decision, decide, decideLoser, type Situation } from '../../src/task/claim.ts';
import type { Task } from '../../src/task/message.ts';
import { holds, lostMax, type TaskRecord } from '../../src/task/record.ts';
import { begun, firstRecord, handedBack, failed } from '../../src/task/transitions.ts';
import { terminal } from './arbitrary.ts';

const now = Date.UTC(2026, 0, 2);
const lifeMs = 3_600_000;
const stream = 'WORK_p';
const own = { stream, seq: 7 };
const other = { stream, seq: 3 };
const error = { code: 'e', message: 'it broke' };

const task = (change: Partial<Task> = {}): Task => ({
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

const record = (change: Partial<TaskRecord> = {}): TaskRecord => ({
  ...begun(firstRecord(task()), own, 'old', now - 500),
  ...change,
});

const holder = fc.constantFrom(own, other, { stream: 'WORK_q', seq: own.seq }, undefined);
const running: fc.Arbitrary<TaskRecord> = fc
  .tuple(holder, fc.constantFrom(undefined, 1, lostMax - 2, lostMax - 1, lostMax), fc.integer({ min: 1, max: 9 }))
  .map(([held, lost, attempt]) => {
    const { held: _held, ...rest } = record({ attempt });
    return { ...rest, ...(held && { held }), ...(lost !== undefined && { lost }) };
  });
const waiting: fc.Arbitrary<TaskRecord> = fc
  .tuple(running, fc.constantFrom('retry', 'handback'), fc.boolean(), fc.integer({ min: -5_000, max: 5_000 }))
  .map(([each, why, scheduled, ms]) =>
    why === 'retry' ? failed(each, error, now + ms, scheduled) : handedBack(each, now + ms),
  );
const any = fc.oneof(fc.constant(undefined), running, waiting, terminal(running));
const situation: fc.Arbitrary<Situation> = fc
  .record({
    deliveries: fc.integer({ min: 1, max: 12 }),
    resume: fc.integer({ min: 0, max: 3 }),
    ageMs: fc.constantFrom(0, lifeMs / 2, lifeMs / 2 + 1, 10 * lifeMs),
    heldIsStored: fc.constantFrom(undefined, true, false),
    forgotten: fc.constantFrom(undefined, true, false),
  })
  .map(({ deliveries, resume, ageMs, heldIsStored, forgotten }) => ({
    delivery: { ...own, deliveries },
    task: task({ resume, submittedAt: now - ageMs }),
    worker: 'new',
    now,
    lifeMs,
    ...(heldIsStored !== undefined && { heldIsStored }),
    ...(forgotten !== undefined && { forgotten }),
  }));

/** Asks on as a worker does, answering what the situation says. */
const decided = (
  known: TaskRecord | undefined,
  { heldIsStored = true, forgotten = false, ...rest }: Situation,
): Decision => {
  const first = decide(known, rest);
  if (first.type !== 'ask') return first;
  return decide(known, { ...rest, ...(first.about.type === 'held' ? { heldIsStored } : { forgotten }) });
};

/** Whether this message may run the task now, by R3 and R5 alone. */
const mayRun = (
  known: TaskRecord | undefined,
  { delivery, task: { resume }, heldIsStored, forgotten }: Situation,
): boolean => {
  if (!known) return resume === 0 && !forgotten;
  if (known.finishedAt) return false;
  if (known.waiting?.scheduled) return !holds(known, delivery) && resume === known.waiting.n;
  return holds(known, delivery) || known.held === undefined || heldIsStored === false;
};

describe('a claim', () => {
  test('is decided whatever the record and the delivery are, after one question at most', () => {
    fc.assert(
      fc.property(any, situation, (known, each) => {
        const decision = decided(known, each);
        expect(['run', 'settle', 'drop', 'crashed', 'later']).toContain(decision.type);
      }),
      { numRuns: 2_000 },
    );
  });

  test('runs only where the task is this message’s, or nobody’s', () => {
    fc.assert(
      fc.property(any, situation, (known, each) => {
        const { heldIsStored = true, forgotten = false } = each;
        const { type } = decided(known, each);
        const may = mayRun(known, {
          ...each,
          heldIsStored,
          forgotten: forgotten && each.task.submittedAt < now - lifeMs / 2,
        });
        if (type === 'run' || type === 'crashed' || type === 'later') expect(may).toBe(true);
        if (type === 'drop') expect(may).toBe(false);
      }),
      { numRuns: 2_000 },
    );
  });

  test('writes an attempt more, held by this message, and a loss more if the last one left no outcome', () => {
    fc.assert(
      fc.property(any, situation, (known, each) => {
        const decision = decided(known, each);
        if (decision.type !== 'run') return;
        const lost = known ? known.status === 'running' : each.delivery.deliveries > 1;
        const before = known ?? { attempt: lost ? 1 : 0, lost: 0, failures: 0, steps: [] };
        expect(holds(decision.record, each.delivery)).toBe(true);
        expect(decision.record).toMatchObject({
          status: 'running',
          worker: 'new',
          attempt: before.attempt + 1,
          failures: before.failures,
          steps: before.steps,
        });
        expect(decision.record.lost ?? 0).toBe((before.lost ?? 0) + (lost ? 1 : 0));
      }),
      { numRuns: 2_000 },
    );
  });

  test('asks for what it does not know, and only then', () => {
    fc.assert(
      fc.property(any, situation, (known, each) => {
        const decision = decide(known, each);
        if (decision.type !== 'ask') return;
        if (decision.about.type === 'held') {
          expect(each.heldIsStored).toBeUndefined();
          expect(known?.held).toEqual(decision.about.held);
        } else {
          expect([known, each.forgotten]).toEqual([undefined, undefined]);
          expect(each.task.submittedAt).toBeLessThan(now - lifeMs / 2);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  test('leaves alone what has ended: its duties are repeated', () => {
    fc.assert(
      fc.property(terminal(running), situation, (known, each) => {
        expect(decide(known, each)).toEqual({ type: 'settle', record: known });
      }),
    );
  });
});

const at = (change: Partial<Situation> = {}): Situation => ({
  delivery: { ...own, deliveries: 1 },
  task: task(),
  worker: 'new',
  now,
  lifeMs,
  ...change,
});

describe('who has a task', () => {
  test('nobody: a first delivery runs it, and a later one counts the attempt before it as lost', () => {
    expect(decide(undefined, at())).toMatchObject({ type: 'run', record: { attempt: 1 } });
    const again = decide(undefined, at({ delivery: { ...own, deliveries: 2 } }));
    expect(again).toMatchObject({ type: 'run', record: { attempt: 2, lost: 1 } });
  });

  test('a twin’s message that is still stored: this one is dropped, and not before that was asked', () => {
    const known = record({ held: other });
    expect(decide(known, at())).toEqual({ type: 'ask', about: { type: 'held', held: other } });
    expect(decide(known, at({ heldIsStored: true }))).toEqual({ type: 'drop' });
    expect(decide(known, at({ heldIsStored: false }))).toMatchObject({ type: 'run', record: { held: own, lost: 1 } });
  });

  test('five attempts that vanished are the end, the fourth is not', () => {
    expect(decide(record({ lost: lostMax - 2 }), at())).toMatchObject({ type: 'run', record: { lost: lostMax - 1 } });
    const last = record({ lost: lostMax - 1 });
    expect(decide(last, at())).toEqual({ type: 'crashed', record: last });
  });

  test('its timer: the message that set it repeats the duty, another timer’s is stale, its own resumes the task', () => {
    const known = failed(record(), error, now + 60_000, true);
    expect(decide(known, at())).toEqual({ type: 'settle', record: known });
    const timer = { ...own, seq: 9, deliveries: 1 };
    expect(decide(known, at({ delivery: timer, task: task({ resume: 2 }) }))).toEqual({ type: 'drop' });
    expect(decide(known, at({ delivery: timer, task: task({ resume: 0 }) }))).toEqual({ type: 'drop' });
    const resumed = decide(known, at({ delivery: timer, task: task({ resume: 1 }) }));
    expect(resumed).toMatchObject({ type: 'run', record: { attempt: 2, failures: 1 } });
  });

  test('a delivery that was nak’ed and comes too early waits for the rest', () => {
    const known = failed(record(), error, now + 700, false);
    expect(decide(known, at({ delivery: { ...own, deliveries: 2 } }))).toEqual({ type: 'later', delayMs: 700 });
    expect(decide(known, at({ now: now + 700 }))).toMatchObject({ type: 'run' });
  });

  test('the history, perhaps: an old message without a record asks it, a timer comes too late', () => {
    const old = { task: task({ submittedAt: now - lifeMs }) };
    expect(decide(undefined, at(old))).toEqual({ type: 'ask', about: { type: 'history' } });
    expect(decide(undefined, at({ ...old, forgotten: true }))).toEqual({ type: 'drop' });
    expect(decide(undefined, at({ ...old, forgotten: false }))).toMatchObject({ type: 'run' });
    expect(decide(undefined, at({ task: task({ resume: 1 }) }))).toEqual({ type: 'drop' });
  });
});

test('who lost a task repeats the duties of its end, leaves it to its own message’s next worker, or was a twin', () => {
  fc.assert(
    fc.property(any, (known) => {
      const expected = !known ? 'leave' : known.finishedAt ? 'settle' : holds(known, own) ? 'leave' : 'drop';
      expect(decideLoser(known, own)).toBe(expected);
    }),
  );
});
