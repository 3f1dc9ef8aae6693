import { describe, expect, test } from 'vitest';
import { opened, wishes } from './limiter-world.ts';

const sent = (permit: string) => ({ type: 'sent', permit });
const unsent = (permit: string) => ({ type: 'unsent', permit });

describe('a limiter', () => {
  test('grants up to the limit at once, and the rest when the window has passed', async () => {
    const { node, client, status, clock } = await opened();
    await node('a');
    const one = client('one');
    const first = await one.wait(wishes(12), 1_000);
    expect(first.size).toBe(10);
    expect(await status()).toMatchObject({ node: 'a', epoch: 1, unconfirmed: 10, windows: [{ used: 10 }] });
    await one.settle(...[...first.values()].map(sent));
    const late = wishes(12).slice(10);
    expect((await one.wait(late, 9_000)).size).toBe(0);
    expect((await one.wait(late, 2_000)).size).toBe(2);
    await clock.advance(15_000);
    expect(await status()).toMatchObject({ windows: [{ used: 2 }], unconfirmed: 2 });
  });

  test('counts a permit of which nobody tells anything for as long as somebody may be using it, and for the window after', async () => {
    const { node, client, clock, status } = await opened();
    await node('a');
    const one = client('one');
    await one.wait(wishes(10), 1_000);
    await clock.advance(300_000);
    expect((await one.wait([{ id: 'late' }], 9_000)).size).toBe(0);
    expect(await status()).toMatchObject({ unconfirmed: 0, windows: [{ used: 10 }] });
    expect((await one.wait([{ id: 'late' }], 3_000)).size).toBe(1);
  });

  test('forgets nobody’s permits before a window that is longer than that has passed', async () => {
    const { node, client, clock } = await opened({ windows: [{ unit: 'requests', limit: 10, perMs: 1_800_000 }] });
    await node('a');
    expect((await client('killed').wait(wishes(10), 1_000)).size).toBe(10);
    const one = client('one');
    for (let waited = 0; waited < 30; waited += 5) {
      expect((await one.wait(wishes(1), 1_000)).size).toBe(0);
      await clock.advance(300_000);
    }
    await clock.advance(310_000);
    expect((await one.wait(wishes(10), 1_000)).size).toBe(10);
  });

  test('frees the place of a call that nobody has dated, unless its client says that it goes on', async () => {
    const { node, client, clock, status } = await opened({ windows: [], concurrent: 2 });
    await node('a');
    const one = client('one');
    const [a = ''] = (await one.wait(wishes(2), 500)).values();
    for (let waited = 0; waited < 32; waited += 1) {
      await clock.advance(10_000);
      await one.settle({ type: 'alive', permit: a });
    }
    expect(await status()).toMatchObject({ active: 1, unconfirmed: 1 });
    expect(await one.settle({ type: 'settled', permit: a })).toEqual({ unknown: [] });
    expect(await status()).toMatchObject({ active: 0 });
  });

  test('gives back what was not sent, and takes a settled one for what it used', async () => {
    const windows = [{ unit: 'tokens', limit: 1_000, perMs: 10_000 } as const];
    const { node, client, status } = await opened({ windows });
    await node('a');
    const one = client('one');
    const [a = '', b = ''] = (await one.wait(wishes(2, { tokens: 500 }), 500)).values();
    expect((await one.wait([{ id: 'c', tokens: 500 }], 500)).size).toBe(0);
    await one.settle(unsent(a));
    expect((await one.wait([{ id: 'c', tokens: 500 }], 500)).size).toBe(1);
    expect(await one.settle(sent(b), { type: 'settled', permit: b, actual: { tokens: 100 } })).toEqual({ unknown: [] });
    expect(await status()).toMatchObject({ windows: [{ used: 600 }] });
    expect(await one.settle({ type: 'settled', permit: b, actual: { tokens: 0 } })).toEqual({ unknown: [b] });
    expect(await status()).toMatchObject({ windows: [{ used: 600 }] });
  });

  test('counts what a call used beyond its estimate from when it hears of it', async () => {
    const windows = [{ unit: 'tokens', limit: 1_000, perMs: 10_000 } as const];
    const { node, client, status, clock } = await opened({ windows });
    await node('a');
    const one = client('one');
    const [a = ''] = (await one.wait([{ id: 'a', tokens: 500 }], 500)).values();
    await one.settle(sent(a));
    await clock.advance(8_000);
    await one.settle({ type: 'settled', permit: a, actual: { tokens: 900 } });
    expect(await status()).toMatchObject({ windows: [{ used: 900 }] });
    await clock.advance(4_000);
    expect(await status()).toMatchObject({ windows: [{ used: 400 }] });
  });

  test('grants no more calls at once than the budget allows, and forgets a dead one after its own timeout', async () => {
    const { node, client, clock, status } = await opened({ windows: [], concurrent: 2 });
    await node('a');
    const one = client('one');
    const [a = '', b = ''] = (await one.wait(wishes(3, { holdMs: 30_000 }), 500)).values();
    await one.settle(sent(a), sent(b));
    expect((await one.wait([{ id: 'w2' }], 500)).size).toBe(0);
    await one.settle({ type: 'settled', permit: a });
    expect((await one.wait([{ id: 'w2' }], 500)).size).toBe(1);
    expect(await status()).toMatchObject({ active: 2, held: { silent: 0, inherited: 0 } });
    await clock.advance(11_000);
    const { held } = await status();
    expect(held).toMatchObject({ silent: 2, inherited: 0 });
    expect(held.freeInMs).toBeGreaterThan(15_000);
    expect(held.freeInMs).toBeLessThan(20_000);
    await clock.advance(20_000);
    expect((await one.wait([{ id: 'w3' }], 500)).size).toBe(1);
  });

  test.each([
    ['of places alone', []],
    ['whose windows count nothing of it', [{ unit: 'tokens', limit: 1_000, perMs: 10_000 } as const]],
  ])('is fair to lanes and tenants also in a budget %s', async (_what, windows) => {
    const { node, client, clock } = await opened({ windows, concurrent: 1 });
    await node('a');
    const one = client('one');
    const mine = Array.from({ length: 40 }, (_, index) => ({ id: `${index}`, lane: 'high', tenant: 'a' }) as const);
    const others = [{ id: 'b', lane: 'high', tenant: 'b' } as const, { id: 'low', lane: 'low', tenant: 'a' } as const];
    const all = [...mine, ...others];
    const served: string[] = [];
    while (served.length < 12) {
      one.list(all.filter(({ id }) => !served.includes(id)));
      await clock.advance(50);
      for (const { id, permit } of one.heard.flatMap(({ grants }) => grants).slice(served.length)) {
        served.push(all[id]?.id ?? '');
        await one.settle(sent(permit), { type: 'settled', permit });
      }
    }
    expect(served.slice(0, 3)).toContain('b');
    expect(served.slice(0, 10)).toContain('low');
  });

  test('is closed for as long as the provider said, also for whoever takes over', async () => {
    const { node, client, request } = await opened();
    const first = await node('a');
    const one = client('one');
    await request('penalize', { retryAfterMs: 20_000 });
    expect((await one.wait(wishes(1), 10_000)).size).toBe(0);
    await node('b');
    first.kill();
    expect((await one.wait(wishes(1), 9_000)).size).toBe(0);
    expect((await one.wait(wishes(1), 20_000)).size).toBe(1);
  });

  test('says in whole milliseconds for how long it is closed', async () => {
    const { node, request, status } = await opened();
    await node('a');
    const { closedMs } = await request('penalize', { retryAfterMs: 20_000.25 });
    expect([closedMs, (await status()).closedMs].map(Number.isInteger)).toEqual([true, true]);
    expect(closedMs).toBeGreaterThan(19_990);
  });

  test('refuses at once what the budget never allows, and says why', async () => {
    const { node, client } = await opened();
    await node('a');
    const one = client('one');
    await one.wait([{ id: 'large', requests: 11 }], 100);
    expect(one.heard[0]?.refused).toEqual([{ id: 0, message: 'budget "tier1" allows 10 requests; this asks for 11' }]);
  });

  test('grants a lost grant anew, once its client can not use it any more', async () => {
    const { node, client, clock, status } = await opened();
    await node('a');
    const one = client('one');
    one.list([{ id: 'x' }]);
    await clock.advance(50);
    const [lost] = one.permits();
    one.list([{ id: 'x' }], 1);
    await clock.advance(50);
    expect(one.permits()).toEqual([lost]);
    one.list([{ id: 'x' }], 2);
    await clock.advance(50);
    expect(new Set(one.permits()).size).toBe(2);
    expect(await status()).toMatchObject({ unconfirmed: 1, windows: [{ used: 1 }] });
  });
});

describe('several nodes', () => {
  test('one of them grants, and what it has granted counts when another takes over', async () => {
    const { node, client, status } = await opened();
    const a = await node('a');
    await node('b');
    const one = client('one');
    await one.wait(wishes(6), 1_000);
    expect(await status()).toMatchObject({ node: 'a', epoch: 1 });
    a.kill();
    expect((await one.wait(wishes(11).slice(6), 4_000)).size).toBe(4);
    expect(await status()).toMatchObject({ node: 'b', epoch: 2, windows: [{ used: 10 }] });
    expect((await one.wait([{ id: 'w10' }], 4_000)).size).toBe(0);
    expect((await one.wait([{ id: 'w10' }], 6_000)).size).toBe(1);
  });

  test('who stops hands over at once, and who comes back from nowhere takes nothing more', async () => {
    const { node, client, status, clock } = await opened();
    const a = await node('a');
    const b = await node('b');
    await a.stop();
    await clock.advance(100);
    expect(await status()).toMatchObject({ node: 'b', epoch: 2 });
    b.kill();
    await node('c');
    await clock.advance(3_500);
    expect(await status()).toMatchObject({ node: 'c', epoch: 3 });
    b.heal();
    await clock.advance(1_000);
    const one = client('one');
    expect((await one.wait(wishes(12), 2_000)).size).toBe(10);
    expect(await status()).toMatchObject({ node: 'c', epoch: 3 });
  });

  test('a key that no limiter wrote closes the budget for a window, for what was taken is not known', async () => {
    const { node, client, broker, clock } = await opened();
    const a = await node('a');
    const one = client('one');
    await one.wait(wishes(10), 1_000);
    await a.stop();
    const { queue } = broker.connect();
    const put = queue.publish('$KV.limits.tier1', Buffer.from('what?'), {});
    await clock.advance(50);
    await put;
    await node('b');
    await clock.advance(3_000);
    expect((await one.wait([{ id: 'x' }], 9_000)).size).toBe(0);
    expect((await one.wait([{ id: 'x' }], 4_000)).size).toBe(1);
  });
});

test.each([
  ['acquire', 'text', 'expected object'],
  ['acquire', { waiting: [{ id: 'x', tokens: -1 }], client: 'a' }, 'tokens'],
  ['acquire', { waiting: [{ id: 'x', tokens: 1e300 }], client: 'a' }, 'tokens'],
  ['settle', { client: 'a', permits: [{ type: 'sent', permit: 'nonsense' }] }, 'permit'],
  ['penalize', { retryAfterMs: -5 }, 'retryAfterMs'],
])('answers a bad %s with what is wrong', async (verb, body, text) => {
  const { node, request } = await opened();
  await node('a');
  expect(await request(verb, body)).toMatchObject({
    code: '400',
    error: { code: 'invalid_input', message: expect.stringContaining(text) },
  });
});
