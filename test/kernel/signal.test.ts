import { describe, expect, test, vi } from 'vitest';
import { aborted, linked, unlessAborted } from '../../src/kernel/signal.ts';

describe('linked', () => {
  test('aborts with its parent, for the same reason', () => {
    const parent = new AbortController();
    const child = linked(parent.signal);
    parent.abort('why');
    expect(child.signal.reason).toBe('why');
    expect(linked(parent.signal).signal.reason).toBe('why');
  });

  test('aborts without its parent, and then holds on to it no longer', () => {
    const parent = new AbortController();
    const child = linked(parent.signal);
    child.abort('done');
    parent.abort('later');
    expect(child.signal.reason).toBe('done');
  });
});

describe('unlessAborted', () => {
  test('is what the promise comes to, and lets go of the signal', async () => {
    const { signal } = new AbortController();
    const remove = vi.spyOn(signal, 'removeEventListener');
    await expect(unlessAborted(signal, Promise.resolve(1))).resolves.toBe(1);
    await expect(unlessAborted(signal, Promise.reject(new Error('x')))).rejects.toThrow('x');
    expect(remove).toHaveBeenCalledTimes(2);
  });

  test('rejects with the reason as soon as the signal aborts', async () => {
    const abort = new AbortController();
    const waiting = unlessAborted(abort.signal, new Promise(() => {}));
    abort.abort('stop');
    await expect(waiting).rejects.toBe('stop');
    await expect(unlessAborted(abort.signal, Promise.resolve(1))).rejects.toBe('stop');
  });
});

test('aborted resolves at the abort, at once if it is over', async () => {
  const abort = new AbortController();
  const waiting = aborted(abort.signal);
  abort.abort();
  await waiting;
  await aborted(abort.signal);
});
