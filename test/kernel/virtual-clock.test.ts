import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';

describe('a virtual clock', () => {
  test('stands still by itself', async () => {
    const clock = virtualClock(1_000);
    clock.timer(0, () => expect.fail('nobody advanced it'));
    await clock.settle();
    expect([clock.monotonic(), clock.wall(), clock.pending, clock.nextDueMs]).toEqual([0, 1_000, 1, 0]);
  });

  test('shows each timer its own due time, and ends at the time asked for', async () => {
    const clock = virtualClock(0);
    const seen: number[] = [];
    for (const ms of [30, 10, 20]) clock.timer(ms, () => seen.push(clock.monotonic()));
    await clock.advance(25);
    expect(seen).toEqual([10, 20]);
    expect([clock.monotonic(), clock.wall()]).toEqual([25, 25]);
  });

  test('fires timers that fall due at once in the order they were set', async () => {
    const clock = virtualClock();
    const seen: string[] = [];
    for (const name of ['a', 'b', 'c']) clock.timer(10, () => seen.push(name));
    await clock.advance(10);
    expect(seen.join('')).toBe('abc');
  });

  test('fires what timers set on the way, if it falls due on the way', async () => {
    const clock = virtualClock();
    const seen: number[] = [];
    clock.timer(10, () => clock.timer(10, () => seen.push(clock.monotonic())));
    await clock.advance(100);
    expect(seen).toEqual([20]);
  });

  test('lets chains of promises and immediates settle before the next timer', async () => {
    const clock = virtualClock();
    const seen: string[] = [];
    clock.timer(1, () => {
      void Promise.resolve()
        .then(() => new Promise<void>((resolve) => clock.immediate(() => clock.immediate(resolve))))
        .then(() => seen.push(`chain at ${clock.monotonic()}`));
    });
    clock.timer(2, () => seen.push('timer'));
    await clock.advance(5);
    expect(seen).toEqual(['chain at 1', 'timer']);
  });

  test('never fires what was cancelled, and does not count it', async () => {
    const clock = virtualClock();
    const timer = clock.timer(10, () => expect.fail('cancelled'));
    const repeated = clock.every(10, () => expect.fail('cancelled'));
    expect(clock.pending).toBe(2);
    timer.cancel();
    timer.cancel();
    repeated.cancel();
    expect(clock.pending).toBe(0);
    await clock.advance(100);
  });

  test('repeats until cancelled, at least a millisecond apart', async () => {
    const clock = virtualClock();
    let count = 0;
    const timer = clock.every(0, () => {
      count += 1;
      if (count === 5) timer.cancel();
    });
    await clock.advance(100);
    expect(count).toBe(5);
  });

  test('advances once at a time, however many ask', async () => {
    const clock = virtualClock();
    const seen: number[] = [];
    clock.every(10, () => seen.push(clock.monotonic()));
    await Promise.all([clock.advance(20), clock.advance(20)]);
    expect(seen).toEqual([10, 20, 30, 40]);
  });

  test('rejects with what a timer throws, and goes on afterwards', async () => {
    const clock = virtualClock();
    clock.timer(10, () => {
      throw new Error('from the timer');
    });
    await expect(clock.advance(20)).rejects.toThrow('from the timer');
    await clock.advance(20);
    expect(clock.monotonic()).toBe(30);
  });

  test('whatever is set and cancelled, fires the rest sorted by due time, then by order', async () => {
    const scripts = fc.array(fc.record({ ms: fc.integer({ min: 0, max: 20 }), cancelled: fc.boolean() }));
    await fc.assert(
      fc.asyncProperty(scripts, async (script) => {
        const clock = virtualClock();
        const fired: number[] = [];
        const timers = script.map(({ ms }, index) => clock.timer(ms, () => fired.push(index)));
        script.forEach(({ cancelled }, index) => cancelled && timers[index]?.cancel());
        await clock.advance(20);
        const expected = script
          .map((entry, index) => ({ ...entry, index }))
          .filter(({ cancelled }) => !cancelled)
          .toSorted((a, b) => a.ms - b.ms || a.index - b.index);
        expect(fired).toEqual(expected.map(({ index }) => index));
        expect(clock.pending).toBe(0);
      }),
      { numRuns: 50 },
    );
  });
});
