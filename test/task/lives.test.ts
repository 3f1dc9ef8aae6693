import { expect, test } from 'vitest';
import { TaskCancelledError } from '../../src/kernel/errors.ts';
import { DrainedError } from '../../src/task/handler.ts';
import { lives } from '../../src/task/lives.ts';

test('a cancellation aborts the attempts at its task, and no other', () => {
  const running = lives();
  const [mine, other] = [running.begin('t.a'), running.begin('t.b')];
  running.cancel('t.a');
  running.cancel('t.none');
  expect(mine.signal.reason).toBeInstanceOf(TaskCancelledError);
  expect(other.signal.aborted).toBe(false);
});

test('an attempt that has ended is left alone', () => {
  const running = lives();
  const ended = running.begin('t.a');
  ended.end();
  running.cancel('t.a');
  running.stop(new DrainedError('stop'));
  expect(ended.abort(new DrainedError('late'))).toBe(false);
  expect(ended.signal.aborted).toBe(false);
});

test('the first reason counts, and says so', () => {
  const life = lives().begin('t.a');
  const [first, second] = [new DrainedError('first'), new DrainedError('second')];
  expect([life.abort(first), life.abort(second), life.signal.reason]).toEqual([true, false, first]);
});

test('twins of one task run side by side: the end of one leaves the other within reach', () => {
  const running = lives();
  const [first, twin] = [running.begin('t.a'), running.begin('t.a')];
  twin.end();
  running.cancel('t.a');
  expect([first.signal.aborted, twin.signal.aborted]).toEqual([true, false]);
});

test('a stop reaches all that run, twins too, and all that begin afterwards', () => {
  const running = lives();
  const reason = new DrainedError('the pool stops');
  const before = [running.begin('t.a'), running.begin('t.a'), running.begin('t.b')];
  running.stop(reason);
  const after = running.begin('t.c');
  const told: unknown[] = [];
  after.watch((why) => told.push(why));
  expect(told).toEqual([reason]);
  expect([...before, after].map(({ signal }) => signal.reason)).toEqual([reason, reason, reason, reason]);
});
