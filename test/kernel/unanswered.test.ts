import { expect, test } from 'vitest';
import { RefusedError, TimeoutError, UnavailableError } from '../../src/kernel/errors.ts';
import { seededRandom } from '../../src/kernel/random.ts';
import { untilAnswered } from '../../src/kernel/unanswered.ts';
import { virtualClock } from '../../src/kernel/virtual-clock.ts';

/** Asks something that fails with each of these errors, then answers. */
const asked = (errors: readonly Error[], limits: { signal?: AbortSignal; giveUpAfterMs?: number } = {}) => {
  const clock = virtualClock();
  let asks = 0;
  const answer = untilAnswered({ clock, random: seededRandom(1), ...limits }, () => {
    const error = errors[asks];
    asks += 1;
    return error ? Promise.reject(error) : Promise.resolve('an answer');
  });
  answer.catch(() => undefined); // Looked at below.
  return { clock, answer, asks: () => asks };
};

const silence = Array.from({ length: 100 }, () => new TimeoutError('silence'));

test('what nobody answers is asked again until somebody does', async () => {
  const { clock, answer, asks } = asked([new UnavailableError('nobody'), new TimeoutError('silence')]);
  await clock.advance(10_000);
  expect(await answer).toBe('an answer');
  expect(asks()).toBe(3);
});

test('an answer that is another error is the end', async () => {
  const { clock, answer, asks } = asked([new TimeoutError('silence'), new RefusedError('full')]);
  await clock.advance(10_000);
  await expect(answer).rejects.toThrow('full');
  expect(asks()).toBe(2);
});

test('it gives up when its time is over, and never waits past that', async () => {
  const { clock, answer, asks } = asked(silence, { giveUpAfterMs: 5_000 });
  await clock.advance(5_000);
  await expect(answer).rejects.toThrow('silence');
  expect(asks()).toBeGreaterThan(3);
});

test('its signal ends the waiting, with its reason', async () => {
  const life = new AbortController();
  const { clock, answer } = asked(silence, { signal: life.signal });
  await clock.advance(1_000);
  life.abort(new Error('closed'));
  await expect(answer).rejects.toThrow('closed');
});
