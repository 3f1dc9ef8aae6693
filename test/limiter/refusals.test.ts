/** What no waiting would change is refused at once, by an error that says why, and counted. */
import { describe, expect, test } from 'vitest';
import type { Metrics } from '../../src/kernel/metrics.ts';
import { amountOf } from '../../src/limiter/budget.ts';
import type { Wanted } from '../../src/limiter/permits.ts';
import { world } from './client-world.ts';
import { opened } from './limiter-world.ts';

const counts = async (metrics: Metrics, name: string): Promise<readonly string[]> =>
  (await metrics.text()).split('\n').filter((line) => line.startsWith(`troupe_${name}`) && !line.endsWith(' 0'));

describe('a request for a permit', () => {
  test.each<readonly [string, Partial<Wanted>, code: string, reason: string]>([
    ['of more than the whole budget', { amount: amountOf(9_000, 1_001) }, 'non_retryable', 'too_large'],
    ['of NaN tokens', { amount: amountOf(Number.NaN, 1) }, 'non_retryable', 'not_an_amount'],
    ['of fewer tokens than none', { amount: amountOf(-1, 1) }, 'non_retryable', 'not_an_amount'],
    ['of tokens beyond reason', { amount: amountOf(1e13, 1) }, 'non_retryable', 'not_an_amount'],
    ['with a deadline in the past', { maxWaitMs: -5 }, 'limiter_timeout', 'past_deadline'],
    ['with a deadline that is none', { maxWaitMs: Number.NaN }, 'limiter_timeout', 'past_deadline'],
  ])('%s is refused before the limiter hears of it', async (_, wanted, code, reason) => {
    const { ask, clock, lists, metrics } = world();
    await expect(ask(wanted)).rejects.toMatchObject({ code });
    await clock.settle();
    expect(lists).toEqual([]);
    expect(await counts(metrics, 'limiter_refused')).toEqual([
      `troupe_limiter_refused_total{budget="openai",reason="${reason}"} 1`,
    ]);
  });

  test('of a budget that there is not is refused', async () => {
    const { client, metrics } = world();
    const { signal } = new AbortController();
    const wanted = { amount: amountOf(1, 1), lane: 'normal', tenant: '', maxWaitMs: 1, holdMs: 1, signal } as const;
    await expect(client.acquire('opnai', wanted)).rejects.toMatchObject({ code: 'not_found' });
    expect(await counts(metrics, 'limiter_refused')).toEqual([
      'troupe_limiter_refused_total{budget="unknown",reason="unknown_budget"} 1',
    ]);
  });

  test('of more than the limiter’s budget, which may not be that of whoever asks, is refused by it', async () => {
    const { node, client } = await opened();
    const { metrics } = await node('a');
    const one = client('one');
    await one.wait([{ id: 'large', requests: 11 }], 50);
    expect(one.heard[0]?.refused).toEqual([
      expect.objectContaining({ message: 'budget "tier1" allows 10 requests; this asks for 11' }),
    ]);
    expect(await counts(metrics, 'limiter_refused')).toEqual([
      'troupe_limiter_refused_total{budget="tier1",reason="too_large"} 1',
    ]);
  });
});

describe('a limiter that is spoken to by hand', () => {
  test.each([
    ['acquire', 'text'],
    ['acquire', { client: 'a', waiting: [{ id: 1, tokens: -1 }] }],
    ['acquire', { client: 'a', waiting: [{ id: 1, tokens: null }] }], // NaN is that, in JSON.
    ['acquire', { client: 'a', waiting: [{ id: 1, tokens: 1e300 }] }],
    ['settle', { client: 'a', permits: [{ type: 'settled', permit: '1.1.1', actual: { tokens: -1 } }] }],
    ['settle', { client: 'a', permits: [{ type: 'sent', permit: 'nonsense' }] }],
    ['penalize', { retryAfterMs: -5 }],
  ])('refuses a bad %s, and counts it: %j', async (verb, body) => {
    const { node, request } = await opened();
    const { metrics } = await node('a');
    expect(await request(verb, body)).toMatchObject({ code: '400', error: { code: 'invalid_input' } });
    expect(await counts(metrics, 'bad_input')).toEqual(['troupe_bad_input_total{reason="invalid_input"} 1']);
  });

  test('says which permits it does not know: settled before, never granted, another limiter’s', async () => {
    const { node, client, status } = await opened();
    await node('a');
    const one = client('one');
    const [granted = ''] = (await one.wait([{ id: 'x' }], 500)).values();
    const settled = { type: 'settled', permit: granted, sent: true };
    expect(await one.settle(settled)).toMatchObject({ unknown: [] });
    const before = await status();
    const strangers = ['1.1.999', '1.77.1', '9.1.1'];
    const words = [settled, ...strangers.map((permit) => ({ type: 'unsent', permit }))];
    expect(await one.settle(...words)).toMatchObject({ unknown: [granted, ...strangers] });
    expect(await status()).toEqual(before);
  });

  test('believes nobody but its holder what became of a permit', async () => {
    const { node, client, status } = await opened();
    await node('a');
    const [one, stranger] = [client('one'), client('stranger')];
    const [granted = ''] = (await one.wait([{ id: 'x' }], 500)).values();
    const before = await status();
    for (const type of ['unsent', 'sent', 'settled', 'alive', 'late'])
      expect(await stranger.settle({ type, permit: granted, amount: {} })).toEqual({ unknown: [granted] });
    expect(await status()).toEqual(before);
    expect(await one.settle({ type: 'unsent', permit: granted })).toEqual({ unknown: [] });
    expect(await status()).toMatchObject({ windows: [{ used: 0 }] });
  });
});
