/** Limiters that are wrong on purpose, each in one thing: whoever judges by the provider's log has to find them out. */
import { describe, expect, test } from 'vitest';
import type { LimiterOptions } from '../../src/actors/limiter.ts';
import type { StreamPublishOptions } from '../../src/bus/queue.ts';
import type { Clock } from '../../src/kernel/clock.ts';
import { days, foundOut, holds, holdsLimit, judged, ofTokens } from './judged.ts';
import type { Plant } from './simulation.ts';

const isKey = (subject: string): boolean => subject.startsWith('$KV.limits.');

/** Says that a slice is written, and writes it a second later, or never. */
const hasty = ({ queue, clock, ...rest }: LimiterOptions, later: 'later' | 'never'): LimiterOptions => {
  let last = 0;
  let behind: Promise<unknown> = Promise.resolve();
  const publish = async (subject: string, data: Uint8Array, options: StreamPublishOptions = {}) => {
    const isTakeover = options.expectSeq !== last || last === 0;
    if (!isKey(subject) || isTakeover) {
      const answer = await queue.publish(subject, data, options);
      if (isKey(subject)) last = answer.seq;
      return answer;
    }
    last += 1;
    if (later === 'later')
      behind = behind
        .then(() => clock.sleep(1_000))
        .then(() => queue.publish(subject, data, options).catch(() => undefined));
    return { stream: 'KV_limits', seq: last };
  };
  return { ...rest, clock, queue: { ...queue, publish } };
};

/** Its monotonic clock is the wall's, which is put on by an hour every 20 s. */
const jumping = (clock: Clock): Clock => ({
  ...clock,
  monotonic: () => clock.monotonic() + Math.floor(clock.monotonic() / 20_000) * 3_600_000,
});

describe('the checker finds out a limiter', () => {
  test('that is right to be right', async () => {
    for (const seed of days) expect(await judged({}, { seed })).toSatisfy(holds);
    expect(await judged({}, { budget: ofTokens })).toSatisfy(holdsLimit);
  });

  test.each<readonly [string, Plant]>([
    ['whose slices are written after they are granted from', { limiter: (options) => hasty(options, 'later') }],
    ['that remembers what it has taken, but in memory only', { limiter: (options) => hasty(options, 'never') }],
    ['that goes by the wall clock', { limiter: (options) => ({ ...options, clock: jumping(options.clock) }) }],
  ])('%s', async (_what, plant) => {
    expect(await foundOut(holds, plant)).toBe(true);
  });

  test('whose permits’ life counts from when they were first asked for', async () => {
    const impatient: Plant['permit'] = (permit, sinceMs) => ({
      ...permit,
      inTime: () => permit.inTime() && sinceMs < 200,
    });
    expect(await foundOut(holds, { permit: impatient }, { faults: false })).toBe(true);
  });
});
