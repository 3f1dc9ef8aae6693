import fc from 'fast-check';
import { expect, test } from 'vitest';
import { restartCounter } from '../../src/supervisor/intensity.ts';

const script = fc.record({
  intensity: fc.integer({ min: 0, max: 6 }),
  periodMs: fc.integer({ min: 1, max: 100 }),
  pausesMs: fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 60 }),
});

test('a restart is within the intensity if, and only if, no more than that many fall into the period that ends with it', () => {
  fc.assert(
    fc.property(script, ({ intensity, periodMs, pausesMs }) => {
      let nowMs = 0;
      const withinIntensity = restartCounter({ intensity, periodMs }, () => nowMs);
      const restartsMs: number[] = [];
      for (const pauseMs of pausesMs) {
        nowMs += pauseMs;
        restartsMs.push(nowMs);
        const recent = restartsMs.filter((atMs) => nowMs - atMs <= periodMs).length;
        expect(withinIntensity()).toBe(recent <= intensity);
      }
    }),
  );
});

test('restarts further apart than the period never exceed an intensity of 1', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), fc.integer({ min: 1, max: 50 }), (periodMs, count) => {
      let nowMs = 0;
      const withinIntensity = restartCounter({ intensity: 1, periodMs }, () => nowMs);
      for (let n = 0; n < count; n += 1) {
        nowMs += periodMs + 1;
        expect(withinIntensity()).toBe(true);
      }
    }),
  );
});

test('a restart just a period ago still counts', () => {
  let nowMs = 0;
  const withinIntensity = restartCounter({ intensity: 1, periodMs: 100 }, () => nowMs);
  withinIntensity();
  nowMs = 100;
  expect(withinIntensity()).toBe(false);
});
