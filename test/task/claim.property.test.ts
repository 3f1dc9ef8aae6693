import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Decision, decide, decideLoser, type Situation } from '../../src/task/claim.ts';
import { holds, lostMax, type TaskRecord } from '../../src/task/record.ts';
import { failed, handedBack, waitingForBudget } from '../../src/task/transitions.ts';
import { terminal } from './arbitrary.ts';
import { error, lifeMs, now, other, own, record, task } from './claims.ts';

const place = fc.constantFrom(own, other, { stream: 'WORK_q', seq: own.seq }, undefined);
const holder = fc
  .tuple(place, fc.constantFrom(undefined, 2, 5))
  .map(([held, deliveries]) => held && { ...held, deliveries });
const running: fc.Arbitrary<TaskRecord> = fc
  .tuple(holder, fc.constantFrom(undefined, 1, lostMax - 2, lostMax - 1, lostMax), fc.integer({ min: 1, max: 9 }))
  .map(([held, lost, attempt]) => {
    const { held: _held, ...rest } = record({ attempt });
    return { ...rest, ...(held && { held }), ...(lost !== undefined && { lost }) };
  });
const waiting: fc.Arbitrary<TaskRecord> = fc
  .tuple(running, fc.constantFrom('retry', 'handback', 'budget'), fc.boolean(), fc.integer({ min: -5_000, max: 5_000 }))
  .map(([each, why, scheduled, ms]) => {
    if (why === 'retry') return failed(each, error, now + ms, scheduled);
    return why === 'budget'
      ? waitingForBudget(each, each, { budget: 'crm', node: 'n' }, now + ms)
      : handedBack(each, now + ms);
  });
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
  if (holds(known, delivery) && (known.held?.deliveries ?? 1) > delivery.deliveries) return false;
  if (known.waiting?.scheduled) return !holds(known, delivery) && resume === known.waiting.n;
  return holds(known, delivery) || known.held === undefined || heldIsStored === false;
};

describe('a claim', () => {
  test('is decided whatever the record and the delivery are, after one question at most', () => {
    fc.assert(
      fc.property(any, situation, (known, each) => {
        const decision = decided(known, each);
        expect(['run', 'settle', 'drop', 'leave', 'crashed', 'later']).toContain(decision.type);
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
        if (type === 'drop' || type === 'leave') expect(may).toBe(false);
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

test('who lost a task repeats the duties of its end, leaves it to its own message’s next worker, or was a twin', () => {
  fc.assert(
    fc.property(any, (known) => {
      const expected = !known ? 'leave' : known.finishedAt ? 'settle' : holds(known, own) ? 'leave' : 'drop';
      expect(decideLoser(known, { delivery: { ...own, deliveries: 1 }, task: task() }).type).toBe(expected);
    }),
  );
});
