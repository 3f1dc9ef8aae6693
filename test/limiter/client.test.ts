import { describe, expect, test } from 'vitest';
import { LimiterTimeoutError, NonRetryableError, NotFoundError } from '../../src/kernel/errors.ts';
import { amountOf, type Budget } from '../../src/limiter/budget.ts';
import { isAnswerable } from '../../src/bus/subjects.ts';
import { permitIdOf, permitText } from '../../src/limiter/permit-id.ts';
import { openai, world } from './client-world.ts';

describe('those that wait', () => {
  test('go into one list, as many as ask in one tick', async () => {
    const { clock, ask, lists } = world();
    for (let i = 0; i < 100; i += 1) void ask({ tenant: `t${i % 3}` });
    await clock.settle();
    expect(lists).toHaveLength(1);
    expect(lists[0]).toMatchObject({ n: 1, live: 1 });
    expect(new Set(lists[0]?.waiting.map(({ id }) => id)).size).toBe(100);
  });

  test('are described: what they want, how long they have waited, and would still', async () => {
    const { clock, ask, lists } = world();
    void ask({ lane: 'high', tenant: 'acme', maxWaitMs: 3_000, holdMs: 20_000 });
    await clock.advance(125);
    expect(lists.at(-1)?.waiting).toEqual([
      { id: 1, lane: 'high', tenant: 'acme', waitedMs: 125, holdMs: 20_000, ...amountOf(100, 50) },
    ]);
  });

  test('have their place by how long they had waited before, too', async () => {
    const { clock, ask, lists, answer } = world();
    const asked = ask({ waitedMs: 5_000 });
    await clock.advance(125);
    expect(lists.map(({ waiting }) => waiting[0]?.waitedMs)).toEqual([5_000, 5_125]);
    await answer({ grants: [{ id: 1, permit: '1.1.1' }] });
    expect((await asked).waitedMs).toBe(5_125);
  });

  test('are said once with their count, as far as they are alike and in a row', async () => {
    const { clock, ask, lists, answer, fates, words } = world();
    const asked = [100, 100, 100, 200, 100].map((tokens) => ask({ amount: amountOf(tokens, 0) }));
    await clock.settle();
    expect(lists[0]?.said.map(({ id, count, tokens }) => [id, count, tokens])).toEqual([
      [1, 3, 100],
      [4, 1, 200],
      [5, 1, 100],
    ]);
    await answer({ grants: [{ id: 1, permit: '1.1.4', count: 5 }] });
    const permits = await Promise.all(asked);
    expect(permits.map(({ id }) => permitText(id))).toEqual(['1.1.4', '1.1.5', '1.1.6', '1.1.7', '1.1.8']);
    for (const [index, permit] of permits.entries()) {
      permit.sent();
      permit.settle(amountOf(index === 3 ? 50 : 90, 0));
    }
    await clock.settle();
    expect(fates).toHaveLength(5);
    expect(words.map(({ permit, count }) => [permit, count])).toEqual([
      ['1.1.4', 3],
      ['1.1.7', 1],
      ['1.1.8', 1],
    ]);
  });

  test('are listed again every quarter of D, under the next number, as long as anybody waits', async () => {
    const { clock, ask, lists, answer } = world();
    const asked = ask();
    await clock.advance(500);
    expect(lists.map(({ n }) => n)).toEqual([1, 2, 3, 4, 5]);
    await answer({ grants: [{ id: 1, permit: '1.1.1' }] });
    (await asked).unsent();
    await clock.advance(10_000);
    expect(lists).toHaveLength(5);
    expect(clock.pending).toBe(0);
  });

  test('are listed in turn, and who joins in between at once', async () => {
    const { clock, ask, lists } = world();
    void ask();
    await clock.advance(10);
    void ask();
    void ask();
    await clock.settle();
    await clock.advance(125);
    expect(lists.map(({ adds, waiting }) => [adds, waiting.length])).toEqual([
      [false, 1],
      [true, 2],
      [false, 3],
    ]);
  });

  test('say which of their lists could still be used', async () => {
    const { clock, ask, lists } = world();
    void ask();
    await clock.advance(750);
    expect(lists.map(({ n, live }) => [n, live])).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 1],
      [5, 2],
      [6, 3],
      [7, 4],
    ]);
  });

  test('are listed a thousand at a time, each lane and tenant in turn, where they are more', async () => {
    const { clock, ask, lists } = world();
    for (let i = 0; i < 1_500; i += 1) void ask({ lane: 'low' });
    void ask({ lane: 'high' });
    await clock.settle();
    expect(lists[0]?.waiting).toHaveLength(1_000);
    expect(lists[0]?.waiting[1]?.lane).toBe('high');
  });

  test('are listed fewer at a time, where their list would be larger than a message may be', async () => {
    const { clock, ask, lists } = world();
    for (let i = 0; i < 1_000; i += 1) void ask({ tenant: `${i} ${'€'.repeat(500)}` });
    await clock.settle();
    expect(lists[0]?.waiting).toHaveLength(500);
  });

  test('are listed even if one of them does not know how long its call may take', async () => {
    const { clock, ask, waiting } = world();
    void ask({ holdMs: Number.NaN, maxWaitMs: Number.POSITIVE_INFINITY });
    await clock.settle();
    expect(waiting()).toEqual([1]);
  });

  test('are answered on a subject of their own', async () => {
    const { clock, ask, connection } = world();
    const heard: string[] = [];
    connection.bus.subscribe('limiter.openai.acquire', ({ reply = '' }) => heard.push(reply));
    void ask();
    await clock.settle();
    expect(heard[0]).toMatch(/^_INBOX\.limiter\.[\w-]{22}\.openai$/);
    expect(isAnswerable(heard[0] ?? '')).toBe(true);
  });
});

describe('a permit', () => {
  test('is good for D from when the list that its grant answers was sent', async () => {
    const { clock, ask, answer } = world();
    const asked = ask();
    await clock.advance(300);
    await answer({ n: 2, grants: [{ id: 1, permit: '1.1.1' }] });
    const permit = await asked;
    expect(permit).toMatchObject({ id: permitIdOf('1.1.1'), budget: 'openai', waitedMs: 300 });
    await clock.advance(325);
    expect(permit.inTime()).toBe(true);
    await clock.advance(1);
    expect(permit.inTime()).toBe(false);
  });

  test('is returned where its list is too old, and its wish goes on waiting', async () => {
    const { clock, ask, answer, fates, waiting, metrics } = world();
    const asked = ask();
    await clock.advance(501);
    await answer({ n: 1, grants: [{ id: 1, permit: '1.1.1' }] });
    expect(fates).toEqual([{ type: 'unsent', permit: '1.1.1' }]);
    expect(await metrics.text()).toContain('troupe_limiter_stale_grants_total{budget="openai"} 1');
    await clock.advance(125);
    expect(waiting()).toEqual([1]);
    await answer({ grants: [{ id: 1, permit: '1.1.2' }] });
    expect(permitText((await asked).id)).toBe('1.1.2');
  });

  test('is returned where it answers a list that was declared dead, though its time is not quite over', async () => {
    const { clock, ask, answer, fates, lists } = world();
    void ask();
    await clock.advance(500);
    expect(lists.at(-1)?.live).toBe(2);
    await answer({ n: 1, grants: [{ id: 1, permit: '1.1.1' }] });
    expect(fates).toEqual([{ type: 'unsent', permit: '1.1.1' }]);
  });

  test('that was lost on its way is granted anew, by a later list', async () => {
    const { clock, ask, answer, broker } = world();
    const asked = ask();
    await clock.settle();
    broker.next('message', 'lose', { subject: '_INBOX.>' });
    await answer({ grants: [{ id: 1, permit: '1.1.1' }] });
    await clock.advance(750);
    await answer({ grants: [{ id: 1, permit: '1.1.2' }] });
    expect(permitText((await asked).id)).toBe('1.1.2');
  });

  test('is returned by who has one already', async () => {
    const { clock, ask, answer, fates } = world();
    const asked = ask();
    await clock.advance(125);
    await answer({ n: 1, grants: [{ id: 1, permit: '1.1.1' }] });
    await answer({ n: 2, grants: [{ id: 1, permit: '1.1.2' }] });
    expect(permitText((await asked).id)).toBe('1.1.1');
    expect(fates).toEqual([{ type: 'unsent', permit: '1.1.2' }]);
  });

  test('that comes twice is not returned while it is in use', async () => {
    const { ask, clock, answer, fates } = world();
    const asked = ask();
    await clock.settle();
    const twice = { seq: 7, grants: [{ id: 1, permit: '1.1.1' }] };
    await answer(twice);
    await answer(twice);
    expect((await asked).inTime()).toBe(true);
    expect(fates).toEqual([]);
  });

  test('for who has given up is returned, and not asked for any more', async () => {
    const { clock, ask, answer, fates, waiting, lists } = world();
    const patience = new AbortController();
    const asked = ask({ signal: patience.signal });
    await clock.settle();
    patience.abort(new Error('enough'));
    await expect(asked).rejects.toThrow('enough');
    await clock.settle();
    expect(waiting()).toEqual([]);
    await answer({ n: 1, grants: [{ id: 1, permit: '1.1.1' }] });
    expect(fates).toEqual([{ type: 'unsent', permit: '1.1.1' }]);
    await clock.advance(10_000);
    expect(lists).toHaveLength(2);
    expect(clock.pending).toBe(0);
  });
});

describe('nobody waits', () => {
  const refused = async (wanted: Parameters<ReturnType<typeof world>['ask']>[0], budget?: Budget) => {
    const { clock, ask, lists } = world(budget);
    const error = await ask(wanted).catch((reason: unknown) => reason);
    await clock.settle();
    expect(lists).toEqual([]);
    return error;
  };

  test('for more than a window allows', async () => {
    const error = await refused({ amount: amountOf(9_000, 1_001) });
    expect(error).toBeInstanceOf(NonRetryableError);
    expect(String(error)).toContain('budget "openai" never allows 10001 tokens: its limit is 10000 in 60000 ms');
  });

  test.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('for %d tokens', async (tokens) => {
    const error = await refused({ amount: { ...amountOf(1, 1), tokens } });
    expect(error).toBeInstanceOf(NonRetryableError);
    expect(String(error)).toContain(`${tokens} tokens is no amount`);
  });

  test.each([0, -5, Number.NaN])('for %d ms', async (maxWaitMs) => {
    expect(await refused({ maxWaitMs })).toBeInstanceOf(LimiterTimeoutError);
  });

  test('who has been aborted before', async () => {
    expect(await refused({ signal: AbortSignal.abort('gone') })).toBe('gone');
  });

  test('for a budget that there is not', async () => {
    const { client } = world();
    const wanted = { amount: amountOf(1, 1), lane: 'normal', tenant: '', maxWaitMs: 1, holdMs: 1 } as const;
    const asked = client.acquire('opnai', { ...wanted, signal: new AbortController().signal });
    await expect(asked).rejects.toThrow(new NotFoundError('there is no budget "opnai"; there are "openai"'));
  });

  test('whom the limiter refuses', async () => {
    const { clock, ask, answer } = world();
    const large = ask();
    await clock.settle();
    await answer({ refused: [{ id: 1, message: 'the limit is 5 by now' }] });
    await expect(large).rejects.toThrow(new NonRetryableError('the limit is 5 by now'));
  });
});

describe('who waits too long is told why:', () => {
  const timesOut = async (prepare: (with_: ReturnType<typeof world>) => unknown) => {
    const made = world(openai);
    const asked = made.ask({ maxWaitMs: 1_000 });
    await made.clock.settle();
    await prepare(made);
    await made.clock.advance(1_000);
    await expect(asked).rejects.toThrow(LimiterTimeoutError);
    expect(await made.metrics.text()).toContain('troupe_limiter_timeouts_total{budget="openai"} 1');
    return asked.catch(String);
  };

  test('no limiter', async () => {
    expect(await timesOut(() => {})).toContain('no permit of budget "openai" within 1000 ms: no limiter answers');
  });

  test('no connection', async () => {
    expect(await timesOut(({ connection }) => connection.cut())).toContain('there is no connection to NATS');
  });

  test('others', async () => {
    expect(await timesOut(({ answer }) => answer({ waiting: 37 }))).toContain('37 wait for it');
  });

  test('a provider', async () => {
    const said = await timesOut(({ answer }) => answer({ waiting: 37, closedMs: 21_000 }));
    expect(said).toContain('its provider has closed it for another 20000 ms');
  });
});

describe('a connection that was cut', () => {
  test('has nothing published, and the list at once when it is back', async () => {
    const { clock, ask, lists, connection, answer } = world();
    const asked = ask();
    await clock.settle();
    connection.cut();
    await clock.advance(300);
    expect(lists).toHaveLength(1);
    connection.heal();
    await clock.settle();
    expect(lists.map(({ n }) => n)).toEqual([1, 2]);
    await answer({ grants: [{ id: 1, permit: '1.1.1' }] });
    expect((await asked).inTime()).toBe(true);
  });
});

describe('how long waiting takes', () => {
  test('is an average of late, and forgotten', async () => {
    const { clock, client, ask, answer } = world();
    expect(client.waitMs('openai')).toBe(0);
    for (let i = 1; i <= 30; i += 1) {
      void ask();
      await clock.advance(400);
      await answer({ grants: [{ id: i, permit: `1.1.${i}` }] });
    }
    expect(client.waitMs('openai')).toBeGreaterThan(300);
    expect(client.waitMs('openai')).toBeLessThan(400);
    await clock.advance(60_000);
    expect(client.waitMs('openai')).toBe(0);
    expect(client.waitMs('unheard-of')).toBe(0);
  });

  test('is no less than the first has waited by now', async () => {
    const { clock, client, ask } = world();
    void ask();
    await clock.advance(2_000);
    expect(client.waitMs('openai')).toBe(2_000);
  });
});
