/** Protocol 2, 11, 12, 15 and 18: which task an id names, for how long, and what else may have it. */
import { describe, expect, test } from 'vitest';
import { streams, subjects } from '../../src/bus/subjects.ts';
import { madeAnew } from '../setup/made-anew.ts';
import { freshNats } from '../setup/servers.ts';
import { bytes, outgoing } from '../task/world.ts';
import { type Submit, world } from './fixture.ts';
import { memoryGround, natsGround, onBothGrounds } from './grounds.ts';

describe('a message that is older than its task’s record', () => {
  const hour = 3_600_000;

  /** The task `x`, submitted so often, is done and in the history, and its node has stopped. */
  const done = async (...submissions: readonly Submit[]) => {
    let ran = 0;
    const ground = memoryGround();
    const setting = await world(ground, { run: async () => (ran += 1) });
    const first = await setting.boot('a');
    for (const each of submissions) await setting.submit('x', each);
    await setting.becomes('x');
    await setting.until(
      () => setting.store.task('t', 'x'),
      (row) => row?.status === 'completed',
    );
    await first.stop();
    return { ...setting, ground, ran: () => ran };
  };

  /** The task is done and its record forgotten, and a second message of it comes out of a queue that stood still. */
  const forgotten = async () => {
    const setting = await done({ input: 1 });
    // As a door may have stored it that did not see the record yet.
    const { hash, payload } = outgoing(setting, { id: 'x', input: 1 });
    const late = subjects.work('main', { pool: 'default', lane: 'low', partition: '0' }, 't.x');
    await setting.queue.publish(late, payload, { headers: { 'Troupe-Hash': hash } });
    await setting.ground.clock.advance(2 * hour);
    expect(await setting.record('x')).toBeUndefined();
    return setting;
  };

  test('asks the history, and is dropped if that knows its end', async () => {
    const { boot, drained, ran, record } = await forgotten();
    await boot('b');
    await drained();
    expect([ran(), await record('x')]).toEqual([1, undefined]);
  });

  test.each([
    ['delayed', { delayMs: 4 * hour }],
    ['in a queue that stood still', {}],
  ])('is another task’s, where the earlier one was forgotten before it was submitted: %s', async (_, envelope) => {
    const { boot, submit, becomes, ground } = await done({ input: 1 });
    await ground.clock.advance(2 * hour);
    await submit('x', { input: 2, envelope });
    await ground.clock.advance(5 * hour);
    await boot('b');
    expect(await becomes('x')).toMatchObject({ status: 'completed', attempt: 1, result: 2 });
  });

  test('waits while the history is away', async () => {
    const { boot, drained, ran, store, clock, eventually, messages } = await forgotten();
    store.setAvailable(false);
    await boot('b');
    await eventually(clock.sleep(60_000));
    expect([ran(), await eventually(messages(streams.work('main', 'default')))]).toEqual([1, 1]);
    store.setAvailable(true);
    await drained();
    expect(ran()).toBe(1);
  });

  test('runs if the history knows nothing of it', async () => {
    let ran = 0;
    const ground = memoryGround();
    const { boot, submit, becomes } = await world(ground, { run: async () => (ran += 1) });
    await submit('x');
    await ground.clock.advance(2 * hour);
    await boot('a');
    expect(await becomes('x')).toMatchObject({ status: 'completed', attempt: 1, result: 1 });
  });

  test('and was delayed for longer than a record lives asks too: another of its id may have come and gone', async () => {
    const { boot, drained, ground, ran } = await done({ envelope: { delayMs: 3 * hour } }, {});
    await ground.clock.advance(3 * hour);
    await boot('b');
    await drained();
    expect(ran()).toBe(1);
  });
});

onBothGrounds((make) => {
  test('the same id with another input is a conflict at the edge, and in the inbox a dead letter', async () => {
    const { boot, submit, queue, becomes, letters, until, drained, record, eventually } = await world(await make(), {
      run: async (_ctx, input) => input,
    });
    await boot('a');
    await submit('x', { input: 1 });
    await becomes('x');
    await expect(submit('x', { input: 2 })).rejects.toMatchObject({ code: 'id_conflict' });
    expect(await submit('x', { input: 1 })).toEqual({ duplicate: true, submittedAt: expect.any(Number) });
    const post = (body: string) => eventually(queue.publish('tasks.t', bytes(body), { headers: { 'Troupe-Id': 'x' } }));
    for (const body of ['2', '3', '1']) await post(body);
    await drained();
    const conflicts = await until(letters, ({ length }) => length === 2);
    expect(conflicts.every((subject) => subject.startsWith('dlq.ingress.id_conflict.t.'))).toBe(true);
    expect(await record('x')).toMatchObject({ result: 1, attempt: 1 });
  });

  test.each<readonly [string, Submit, Submit]>([
    ['one delayed and one not', { input: 1 }, { input: 2, envelope: { delayMs: 200 } }],
    ['each in a lane of its own', { input: 1 }, { input: 2, lane: 'high' }],
  ])(
    'two inputs under one id, %s, are one task and one dead letter: neither is taken for the other',
    async (_how, ...both) => {
      const { boot, submit, becomes, letters, until, drained, eventually, queue } = await world(await make(), {
        run: async (_ctx, input) => input,
      });
      for (const each of both) expect(await submit('x', each)).toEqual({ duplicate: false });
      await boot('a');
      const { result } = (await becomes('x')) ?? {};
      await drained();
      const [conflict = '', ...more] = await until(letters, ({ length }) => length === 1);
      const letter = await eventually(queue.last('DLQ', conflict));
      const other = JSON.parse(new TextDecoder().decode(letter?.data));
      expect([conflict, more]).toEqual([expect.stringMatching(/^dlq\.default\.id_conflict\.t\./), []]);
      expect(new Set([result, Number(other.input)])).toEqual(new Set([1, 2]));
    },
  );

  test('a redrive is a new task that knows where it comes from, and is made once', async () => {
    let healthy = false;
    const runs: string[] = [];
    const { boot, submit, becomes, eventually, drained } = await world(await make(), {
      retry: { max: 1 },
      run: async (ctx, input) => {
        runs.push(ctx.id);
        if (!healthy) throw new Error('no');
        return input;
      },
    });
    const { doors } = await boot('a');
    await submit('x', { input: { n: 1 }, envelope: { tenant: 'acme', deadlineMs: 60_000 } });
    await becomes('x');
    await drained();
    healthy = true;
    const retry = () => eventually(doors.retry('t', 'x'));
    const answers = await Promise.all([retry(), retry()]);
    expect(new Set(answers.map(({ id }) => id))).toEqual(new Set(['x-r1']));
    expect(await becomes('x-r1')).toMatchObject({
      status: 'completed',
      redriveOf: 'x',
      tenant: 'acme',
      result: { n: 1 },
    });
    expect((await retry()).id).toBe('x-r1');
    await drained();
    expect(runs).toEqual(['x', 'x-r1']);
    await expect(eventually(doors.retry('t', 'x-r1'))).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('on nats-server', () => {
  test('an inbox that was made anew gives other ids: nothing is taken for yesterday’s task', async () => {
    const ids: string[] = [];
    const { url } = await freshNats();
    const { boot, queue, bus, until, provisioned } = await world(natsGround(url), {
      run: async (ctx) => void ids.push(ctx.id),
    });
    const first = await boot('a');
    await queue.publish('tasks.t', bytes('1'));
    await until(
      async () => ids,
      ({ length }) => length === 1,
    );
    await first.stop();
    await madeAnew({ bus, queue }, 'INBOX', provisioned);
    await boot('b');
    const { seq } = await queue.publish('tasks.t', bytes('1'));
    expect(seq).toBe(1);
    await until(
      async () => ids,
      ({ length }) => length === 2,
    );
    expect(new Set(ids).size).toBe(2);
  });

  test('a record that has removed itself leaves nothing behind: its id can be used again', async () => {
    const { url } = await freshNats();
    const starts: Date[] = [];
    const { boot, submit, becomes, record, until } = await world(natsGround(url), {
      recordLifeMs: 1_000,
      run: async (ctx) => void starts.push(ctx.startedAt),
    });
    await boot('a');
    await submit('x');
    await becomes('x');
    await until(
      () => record('x'),
      (found) => found === undefined,
    );
    expect(await submit('x')).toEqual({ duplicate: false });
    expect(await becomes('x')).toMatchObject({ status: 'completed', attempt: 1 });
    expect(starts).toHaveLength(2);
  });
});
