import { expect, test } from 'vitest';
import { serverTime } from '../../../src/bus/nats/server-time.ts';

const setup = () => {
  const own = { monotonicMs: 0, wallMs: 5_000 };
  return { own, time: serverTime({ monotonic: () => own.monotonicMs, wall: () => own.wallMs }) };
};

test('as long as the server has said nothing, it is the own wall clock', () => {
  const { own, time } = setup();
  own.wallMs = 7_000;
  expect(time.now()).toBe(7_000);
});

test('what the server said is carried forward by the monotonic clock, whatever the wall does', () => {
  const { own, time } = setup();
  time.observe(1_000_000);
  own.monotonicMs = 250;
  own.wallMs = -1;
  expect(time.now()).toBe(1_000_250);
});

test('the statement that puts the server furthest ahead counts: older news changes nothing', () => {
  const { own, time } = setup();
  time.observe(1_000_000);
  own.monotonicMs = 100;
  time.observe(1_000_050);
  expect(time.now()).toBe(1_000_100);
  time.observe(1_000_300);
  expect(time.now()).toBe(1_000_300);
  own.monotonicMs = 200;
  expect(time.now()).toBe(1_000_400);
});
