import { describe, expect, test } from 'vitest';
import { decide, decideLoser, type Situation } from '../../src/task/claim.ts';
import { lostMax } from '../../src/task/record.ts';
import { completed, failed, handedBack } from '../../src/task/transitions.ts';
import { error, lifeMs, now, other, own, record, task } from './claims.ts';

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

  test('nobody, of a task whose claim comes before its handler: however often it was handed out, it has not begun', () => {
    const again = decide(undefined, at({ delivery: { ...own, deliveries: 3 }, claimedFirst: true }));
    expect(again).toMatchObject({ type: 'run', record: { attempt: 1 } });
    expect(again).not.toHaveProperty('record.lost');
  });

  test('a twin’s message that is still stored: this one is dropped, and not before that was asked', () => {
    const known = record({ held: other });
    expect(decide(known, at())).toEqual({ type: 'ask', about: { type: 'held', held: other } });
    expect(decide(known, at({ heldIsStored: true }))).toEqual({ type: 'drop' });
    expect(decide(known, at({ heldIsStored: false }))).toMatchObject({ type: 'run', record: { held: own, lost: 1 } });
  });

  test('a later delivery of the same message: an earlier one, that was held up, leaves it alone until it has ended', () => {
    const second = { ...own, deliveries: 2 };
    const taken = decide(record(), at({ delivery: second }));
    if (taken.type !== 'run') throw new Error(`it is to ${taken.type}`);
    expect(decide(taken.record, at())).toEqual({ type: 'leave' });
    expect(decide(handedBack(taken.record, now), at())).toEqual({ type: 'leave' });
    const ended = completed(taken.record, 'done', now);
    expect(decide(ended, at())).toEqual({ type: 'settle', record: ended });
    // The same once more is what a server that has crashed makes of it, and the third comes when the second is gone.
    for (const deliveries of [2, 3])
      expect(decide(taken.record, at({ delivery: { ...own, deliveries } }))).toMatchObject({ type: 'run' });
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

  test('a task of another input under the same id: that one never runs, and is no duplicate', () => {
    const foreign = at({ delivery: { ...own, seq: 9, deliveries: 1 }, task: task({ inputHash: 'other' }) });
    expect(decide(record(), foreign)).toEqual({ type: 'conflict' });
    expect(decide({ ...record(), status: 'completed' }, foreign)).toEqual({ type: 'conflict' });
    expect(decideLoser(record(), foreign).type).toBe('conflict');
    // Who cannot say what their input was are believed.
    expect(decide({ ...record(), status: 'dead', inputHash: '' }, foreign)).toMatchObject({ type: 'settle' });
    expect(decide(record(), { ...foreign, task: task({ inputHash: '' }) })).toMatchObject({ type: 'ask' });
    // The message that holds the task is the task.
    expect(decide(record(), at({ task: task({ inputHash: 'other' }) }))).toMatchObject({ type: 'run' });
  });
});
