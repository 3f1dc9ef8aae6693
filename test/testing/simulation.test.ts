/**
 * The whole runtime under a seed. The same seed is the same run, so whatever one finds can be played again:
 * `SEEDS=17 npx vitest run test/testing/simulation`.
 */
import { expect, test } from 'vitest';
import type { TaskRecord } from '../../src/task/record.ts';
import { type Storm, storm } from './storm.ts';

const seeds = (process.env['SEEDS'] ?? '1,2,3,4,5,6,7,8').split(',').map(Number);
const terminal = new Set(['completed', 'failed', 'cancelled', 'dead']);

/** What no revision of a record may do to the one before. */
const broken = (id: string, revisions: readonly TaskRecord[]): readonly string[] =>
  revisions.flatMap((record, index) => {
    const before = revisions[index - 1];
    if (!before) return [];
    const told = `${id}: ${before.status} ${before.attempt} → ${record.status} ${record.attempt}`;
    const lostStep = before.steps.find(
      ({ name, result }) => !record.steps.some((step) => step.name === name && step.result === result),
    );
    return [
      // A cancelled one is written twice: it gets its time to live once nothing can run it any more.
      ...(terminal.has(before.status) && record.status !== before.status ? [`${told}: it had ended`] : []),
      ...(record.attempt < before.attempt ? [`${told}: an attempt went back`] : []),
      ...(record.createdAt !== before.createdAt ? [`${told}: it was made anew`] : []),
      ...(lostStep && !terminal.has(record.status) ? [`${told}: step ${lostStep.name} was run again`] : []),
    ];
  });

const recorded = ({ ids, history }: Storm): readonly string[] => ids.flatMap((id) => broken(id, history.get(id) ?? []));

test.each(seeds)('seed %i: each task ends once, runs no recorded step again, and history agrees', async (seed) => {
  const played = await storm(seed, 80);
  const { ids, states, rows, history, left } = played;
  expect(recorded(played)).toEqual([]);
  expect(left).toBe(0);
  for (const [index, id] of ids.entries()) {
    const [state, row, last] = [states[index], rows[index], history.get(id)?.at(-1)];
    expect([row?.status, last?.status]).toEqual([state?.status, state?.status]);
    expect(state?.output).toEqual(last?.result);
  }
});

test('the same seed is the same run', async () => {
  const [one, other] = [await storm(3, 10), await storm(3, 10)];
  expect([...one.history]).toEqual([...other.history]);
});
