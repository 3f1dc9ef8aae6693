import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Headers } from '../../src/bus/bus.ts';
import type { Delivery } from '../../src/bus/queue.ts';
import { subjects } from '../../src/bus/subjects.ts';
import { decodeTask, encodeHeaders, inputHash, type Outgoing } from '../../src/task/message.ts';
import { firstRecord } from '../../src/task/transitions.ts';
import { delivered } from './world.ts';

const at = Date.UTC(2026, 5, 1);
const route = { pool: 'docs', lane: 'high', partition: '0' } as const;

const mailed = (headers: Headers, subject = subjects.work('main', route, 'mail.a')): Delivery =>
  delivered({ stream: 'WORK_docs', subject, seq: 7, headers, at });

const outgoing = (change: Partial<Outgoing> = {}): Outgoing => ({
  type: 'mail',
  id: 'a',
  route,
  payload: new Uint8Array(),
  envelope: { headers: {} },
  hash: 'h',
  nonce: 'n',
  ...change,
});

describe('a task on the wire', () => {
  test('arrives as it was sent', () => {
    const headers = encodeHeaders(
      outgoing({
        envelope: { key: 'k', tenant: 't', group: 'g', deadlineMs: 5_000, headers: { Trace: '1' } },
        submittedAt: at - 1,
        resume: 2,
        parent: 'report.p',
        depth: 3,
        redriveOf: 'old',
      }),
    );
    expect(decodeTask(mailed(headers))).toMatchObject({
      id: 'a',
      type: 'mail',
      route,
      recordKey: 'mail.a',
      inputHash: 'h',
      key: 'k',
      tenant: 't',
      group: 'g',
      parent: 'report.p',
      redriveOf: 'old',
      deadlineAt: at + 5_000,
      submittedAt: at - 1,
      resume: 2,
      depth: 3,
    });
    expect(headers['Trace']).toBe('1');
  });

  test('has a deadline that counts from when it was stored, unless it is a date', () => {
    const dated = encodeHeaders(outgoing({ envelope: { deadlineAt: at + 1, deadlineMs: 9, headers: {} } }));
    expect(decodeTask(mailed(dated))?.deadlineAt).toBe(at + 1);
    expect(decodeTask(mailed(encodeHeaders(outgoing())))?.deadlineAt).toBeUndefined();
  });

  test('is none where the subject names none', () => {
    expect(decodeTask(mailed({}, 'work.main.docs.high.0.mail'))).toBeUndefined();
    expect(decodeTask(mailed({}, 'work.main.docs.high.0.mail.a$b'))).toBeUndefined();
  });

  test('makes a record whatever its headers say: broken ones count as absent', () => {
    const value = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '2026-99-99T00:00:00Z',
        '1e300',
        '-1e300',
        '9e15',
        'NaN',
        '',
        '999999999999ms',
        '-5',
        '8640000000000001',
      ),
    );
    const names = ['Deadline', 'Submitted', 'Resume', 'Depth', 'Hash', 'Key', 'Parent'].map((name) => `Troupe-${name}`);
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), value), (headers) => {
        const task = decodeTask(mailed(headers));
        expect(task && firstRecord(task)).toMatchObject({ id: 'a', attempt: 0, status: 'running' });
        expect(task?.resume).toSatisfy((count: number) => Number.isSafeInteger(count) && count >= 0);
      }),
    );
  });
});

test('a task that came past the doors is known by its input all the same', () => {
  const byHand = { ...mailed({}), data: Buffer.from('{"b":1,"a":2}') };
  expect(decodeTask(byHand)?.inputHash).toBe(inputHash({ a: 2, b: 1 }));
  expect(decodeTask(mailed({}))?.inputHash).toBe('');
});
