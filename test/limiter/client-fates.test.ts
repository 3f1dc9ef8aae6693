import { describe, expect, test } from 'vitest';
import { amountOf } from '../../src/limiter/budget.ts';
import { openai, world } from './client-world.ts';

const concurrent = { ...openai, concurrent: 8 };

describe('what becomes of a permit is told:', () => {
  test('sent, and settled with what was used', async () => {
    const { clock, granted, fates } = world();
    const permit = await granted('1.1.1');
    permit.sent();
    await clock.settle();
    expect(fates).toEqual([{ type: 'sent', permit: '1.1.1' }]);
    permit.heard();
    permit.settle(amountOf(90, 10));
    await clock.settle();
    expect(fates.slice(1)).toEqual([{ type: 'settled', permit: '1.1.1', actual: amountOf(90, 10) }]);
  });

  test('settled as it was estimated, where nobody knows what was used', async () => {
    const { clock, granted, fates } = world();
    const permit = await granted('1.1.1');
    permit.sent();
    permit.settle({ ...amountOf(1, 1), tokens: Number.NaN });
    await clock.settle();
    expect(fates).toEqual([{ type: 'settled', permit: '1.1.1', sent: true }]);
  });

  test('unsent', async () => {
    const { clock, granted, fates } = world();
    const permit = await granted('1.1.1');
    permit.unsent();
    expect(permit.inTime()).toBe(false);
    permit.sent();
    permit.settle();
    await clock.settle();
    expect(fates).toEqual([{ type: 'unsent', permit: '1.1.1' }]);
  });

  test('late, where it was written too late: once there is an answer', async () => {
    const { clock, granted, fates } = world();
    const permit = await granted('1.1.1');
    await clock.advance(501);
    permit.sent();
    await clock.advance(5_000);
    expect(fates).toEqual([]);
    permit.heard();
    permit.heard();
    await clock.settle();
    expect(fates).toEqual([{ type: 'late', permit: '1.1.1', amount: amountOf(100, 50) }]);
    permit.settle();
    await clock.settle();
    expect(fates[1]).toEqual({ type: 'settled', permit: '1.1.1' });
  });

  test('late, once its call is over without an answer', async () => {
    const { clock, granted, fates } = world();
    const permit = await granted('1.1.1');
    await clock.advance(501);
    permit.sent();
    permit.settle();
    await clock.settle();
    expect(fates.map(({ type }) => type)).toEqual(['late', 'settled']);
  });

  test('late, where nobody has told when it was sent', async () => {
    const { clock, granted, fates } = world();
    const permit = await granted('1.1.1');
    permit.settle();
    await clock.settle();
    expect(fates.map(({ type }) => type)).toEqual(['late', 'settled']);
  });

  test('sent, at the end of its time, where its call has begun and nobody sees what leaves', async () => {
    const { clock, granted, fates } = world();
    const permit = await granted('1.1.1');
    permit.begun();
    await clock.advance(499);
    expect(permit.inTime()).toBe(true);
    expect(fates).toEqual([]);
    await clock.advance(1);
    expect(permit.inTime()).toBe(false);
    expect(fates).toEqual([{ type: 'sent', permit: '1.1.1' }]);
    permit.sent();
    permit.unsent();
    permit.settle();
    await clock.settle();
    expect(fates.slice(1)).toEqual([{ type: 'settled', permit: '1.1.1' }]);
  });

  test('sent, where what has begun is over, or returned, before that', async () => {
    const { clock, granted, fates } = world();
    const [over, returned] = [await granted('1.1.1'), await granted('1.1.2')];
    for (const permit of [over, returned]) permit.begun();
    over.settle();
    returned.unsent();
    returned.unsent();
    await clock.advance(10_000);
    expect(fates).toEqual([
      { type: 'settled', permit: '1.1.1', sent: true },
      { type: 'sent', permit: '1.1.2' },
    ]);
    expect(clock.pending).toBe(0);
  });

  test('as the wire says, where what has begun is seen to leave', async () => {
    const { clock, granted, fates } = world();
    const permit = await granted('1.1.1');
    permit.begun();
    await clock.advance(300);
    permit.sent();
    await clock.advance(10_000);
    expect(fates).toEqual([{ type: 'sent', permit: '1.1.1' }]);
    expect(clock.pending).toBe(0);
  });

  test('late, where it began too late', async () => {
    const { clock, granted, fates } = world();
    const permit = await granted('1.1.1');
    await clock.advance(501);
    permit.begun();
    permit.unsent();
    await clock.advance(10_000);
    expect(fates).toEqual([]);
    permit.settle();
    await clock.settle();
    expect(fates.map(({ type }) => type)).toEqual(['late', 'settled']);
  });

  test('each word once', async () => {
    const { clock, granted, fates } = world();
    const permit = await granted('1.1.1');
    for (const word of [permit.sent, permit.sent, permit.unsent, permit.heard, permit.settle, permit.settle]) word();
    await clock.settle();
    expect(fates.map(({ type }) => type)).toEqual(['settled']);
  });

  test('and nobody sends twice by it', async () => {
    const { granted } = world();
    const permit = await granted('1.1.1');
    expect(permit.inTime()).toBe(true);
    permit.sent();
    expect(permit.inTime()).toBe(false);
  });
});

describe('words to a limiter', () => {
  test('of one tick go together', async () => {
    const { clock, granted, batches } = world();
    const both = [await granted('1.1.1'), await granted('1.1.2')];
    for (const permit of both) permit.sent();
    await clock.settle();
    expect(batches).toHaveLength(1);
    expect(batches[0]).toHaveLength(2);
  });

  test('are said again until they are answered, older ones first', async () => {
    const { clock, granted, answersFates, batches, fates } = world();
    const permit = await granted('1.1.1');
    answersFates(false);
    permit.sent();
    await clock.advance(900);
    permit.settle();
    await clock.advance(10_000);
    expect(batches.length).toBeGreaterThan(3);
    expect(batches.length).toBeLessThan(10);
    answersFates(true);
    await clock.advance(3_000);
    expect(fates.map(({ type }) => type)).toEqual(['sent', 'settled']);
    expect(clock.pending).toBe(0);
  });

  test('get through after the connection was cut', async () => {
    const { clock, granted, connection, fates } = world();
    const permit = await granted('1.1.1');
    connection.cut();
    permit.sent();
    await clock.advance(4_000);
    connection.heal();
    await clock.advance(4_000);
    expect(fates).toEqual([{ type: 'sent', permit: '1.1.1' }]);
  });

  test('on permits that it does not know are counted, and not repeated', async () => {
    const { clock, granted, forget, batches, metrics } = world();
    const permit = await granted('1.1.1');
    forget(['1.1.1']);
    permit.sent();
    await clock.advance(10_000);
    expect(batches).toHaveLength(1);
    expect(await metrics.text()).toContain('troupe_limiter_unknown_permits_total{budget="openai"} 1');
  });
});

describe('a call that counts as concurrent', () => {
  test('is said to go on, every two seconds until it is over', async () => {
    const { clock, granted, fates } = world(concurrent);
    const permit = await granted('1.1.1');
    permit.sent();
    await clock.advance(6_500);
    permit.settle();
    await clock.advance(6_500);
    expect(fates.map(({ type }) => type)).toEqual(['sent', 'alive', 'alive', 'alive', 'settled']);
    expect(clock.pending).toBe(0);
  });

  test('is not said to have gone on a while ago, by who had to wait for an answer', async () => {
    const { clock, granted, answersFates, fates } = world(concurrent);
    const permit = await granted('1.1.1');
    answersFates(false);
    permit.sent();
    await clock.advance(60_000);
    answersFates(true);
    await clock.advance(3_000);
    expect(fates.filter(({ type }) => type === 'alive').length).toBeLessThan(5);
  });

  test('where any number may, is not', async () => {
    const { clock, granted, fates } = world();
    (await granted('1.1.1')).sent();
    await clock.advance(10_000);
    expect(fates).toHaveLength(1);
  });
});

describe('closing', () => {
  test('returns what is unused, rejects who waits, and tells the limiter', async () => {
    const { clock, granted, ask, answer, client, fates, waiting } = world(concurrent);
    const [unused, used] = [await granted('1.1.1'), await granted('1.1.2')];
    used.sent();
    const asked = ask();
    await clock.settle();
    const closed = client.close();
    await clock.settle();
    await answer({ grants: [{ id: 1, permit: '1.1.3' }] });
    await closed;
    await expect(asked).rejects.toThrow('this process is closing');
    await expect(ask()).rejects.toThrow('this process is closing');
    expect(unused.inTime()).toBe(false);
    expect(waiting()).toEqual([]);
    expect(fates).toEqual([
      { type: 'sent', permit: '1.1.2' },
      { type: 'unsent', permit: '1.1.1' },
      { type: 'unsent', permit: '1.1.3' },
    ]);
    expect(clock.pending).toBe(0);
  });

  test('waits for what may have been granted to those that had just given up', async () => {
    const { clock, ask, answer, client, fates, lists } = world();
    const impatient = new AbortController();
    const asked = ask({ signal: impatient.signal });
    await clock.settle();
    impatient.abort(new Error('no more'));
    await expect(asked).rejects.toThrow('no more');
    const closed = client.close();
    await clock.settle();
    expect(lists.map(({ waiting }) => waiting.length)).toEqual([1, 0]);
    // Granted before it heard that nobody waits any more.
    await answer({ n: 1, grants: [{ id: 1, permit: '1.1.1' }] });
    await answer({});
    await closed;
    expect(fates).toEqual([{ type: 'unsent', permit: '1.1.1' }]);
  });

  test('takes no time where nobody has given up', async () => {
    const { clock, granted, client } = world();
    const permit = await granted('1.1.1');
    permit.sent();
    permit.settle();
    await clock.settle();
    const from = clock.monotonic();
    await Promise.all([client.close(), clock.settle()]);
    expect(clock.monotonic()).toBe(from);
  });

  test('takes two seconds at most', async () => {
    const { clock, granted, client, answersFates } = world();
    await granted('1.1.1');
    answersFates(false);
    let closed = false;
    void client.close().then(() => (closed = true));
    await clock.advance(1_999);
    expect(closed).toBe(false);
    await clock.advance(1);
    expect(closed).toBe(true);
  });
});

describe('a penalty', () => {
  test('is told', async () => {
    const { clock, client, penalties } = world();
    await clock.settle();
    client.penalize('openai', 7_000, '429');
    client.penalize('openai', Number.NaN, 'no time');
    client.penalize('unheard-of', 7_000, '429');
    await clock.settle();
    expect(penalties).toEqual([{ retryAfterMs: 7_000, why: '429' }]);
  });

  test('is told again, with what is left of it', async () => {
    const { clock, client, penalties, broker } = world();
    broker.next('message', 'lose', { subject: 'limiter.openai.penalize' });
    client.penalize('openai', 7_000, '429');
    await clock.advance(2_000);
    expect(penalties).toHaveLength(1);
    expect(JSON.stringify(penalties[0])).toMatch(/"retryAfterMs":59\d\d/);
  });

  test('that cannot be told is given up, and nobody hears of it', async () => {
    const { clock, client, connection } = world();
    connection.cut();
    client.penalize('openai', 600_000, '429');
    await clock.advance(60_000);
    expect(clock.pending).toBe(0);
  });
});
