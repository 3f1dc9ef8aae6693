import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { atMost, systemClock } from '../../src/kernel/clock.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';

describe('the system clock', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('waits longer than one timeout of Node can', () => {
    const fired = vi.fn();
    systemClock.timer(40 * 86_400_000, fired);
    vi.advanceTimersByTime(40 * 86_400_000 - 1);
    expect(fired).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(fired).toHaveBeenCalledOnce();
  });

  test('cancels a long wait in its second part', () => {
    const fired = vi.fn();
    const timer = systemClock.timer(40 * 86_400_000, fired);
    vi.advanceTimersByTime(30 * 86_400_000);
    timer.cancel();
    vi.advanceTimersByTime(30 * 86_400_000);
    expect(fired).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });

  test.each([NaN, -5])('takes %d for no wait at all', (ms) => {
    const fired = vi.fn();
    systemClock.timer(ms, fired);
    vi.advanceTimersByTime(1);
    expect(fired).toHaveBeenCalledOnce();
  });

  test('repeats until it is cancelled, also from within', () => {
    let count = 0;
    const timer = systemClock.every(100, () => {
      count += 1;
      if (count === 3) timer.cancel();
    });
    vi.advanceTimersByTime(1_000);
    expect(count).toBe(3);
  });
});

describe('sleep', () => {
  test('ends with its time', async () => {
    const clock = virtualClock();
    const slept = vi.fn();
    void clock.sleep(100).then(slept);
    await clock.advance(99);
    expect(slept).not.toHaveBeenCalled();
    await clock.advance(1);
    expect(slept).toHaveBeenCalledOnce();
  });

  test('rejects with the reason of its signal, and leaves no timer', async () => {
    const clock = virtualClock();
    const abort = new AbortController();
    const slept = clock.sleep(100, abort.signal);
    abort.abort('enough');
    await expect(slept).rejects.toBe('enough');
    await expect(clock.sleep(100, abort.signal)).rejects.toBe('enough');
    expect(clock.pending).toBe(0);
  });

  test('lets go of its signal when it ends', async () => {
    const clock = virtualClock();
    const { signal } = new AbortController();
    const remove = vi.spyOn(signal, 'removeEventListener');
    void clock.sleep(100, signal);
    await clock.advance(100);
    expect(remove).toHaveBeenCalledOnce();
  });
});

describe('atMost', () => {
  test('is true for what settles in time, either way', async () => {
    const clock = virtualClock();
    await expect(atMost(clock, 100, Promise.resolve())).resolves.toBe(true);
    await expect(atMost(clock, 100, Promise.reject(new Error('x')))).resolves.toBe(true);
    expect(clock.pending).toBe(0);
  });

  test('is false when the time is over first', async () => {
    const clock = virtualClock();
    const waited = atMost(clock, 100, new Promise(() => {}));
    await clock.advance(100);
    await expect(waited).resolves.toBe(false);
  });
});
