/** What property tests of a task's life are made of. */
import fc from 'fast-check';
import { seededRandom } from '../../src/kernel/random.ts';
import type { Outcome } from '../../src/task/executor.ts';
import type { TaskRecord } from '../../src/task/record.ts';
import { cancelled, completed, dead, rejected } from '../../src/task/transitions.ts';

export const random = seededRandom(1);
export const retry = { max: 4, firstMs: 1_000, factor: 2, maxMs: 300_000 };

const error = { code: 'e', message: 'it broke' };

export const outcomes: fc.Arbitrary<Outcome> = fc.oneof(
  fc.record({ type: fc.constant('completed'), result: fc.constantFrom(undefined, null, { n: 1 }) }),
  fc.constant<Outcome>({ type: 'rejected', error }),
  fc.constant<Outcome>({ type: 'refused', reason: 'invalid_json', error }),
  fc.constant<Outcome>({ type: 'failed', error }),
  fc.nat({ max: 1e7 }).map((retryAfterMs): Outcome => ({ type: 'failed', error, retryAfterMs, forget: ['a'] })),
);

const now = Date.UTC(2026, 0, 2);

/** Records of such tasks that have ended, in each of the ways. */
export const terminal = (alive: fc.Arbitrary<TaskRecord>): fc.Arbitrary<TaskRecord> =>
  fc.tuple(alive, fc.constantFrom('completed', 'failed', 'cancelled', 'dead')).map(([record, how]) => {
    if (how === 'completed') return completed(record, { n: 1 }, now);
    if (how === 'failed') return rejected(record, error, now);
    return how === 'cancelled' ? cancelled(record, 'why', now) : dead(record, 'exhausted', error, now);
  });
