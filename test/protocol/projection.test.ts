/** Protocol 19 and 22 to 26: who is asked finds the task, wherever it is by now, and history agrees with KV in the end. */
import { describe, expect, test } from 'vitest';
import { madeAnew } from '../setup/made-anew.ts';
import { freshNats } from '../setup/servers.ts';
import { bytes } from '../task/world.ts';
import { world } from './fixture.ts';
import { memoryGround, natsGround, onBothGrounds } from './grounds.ts';

const patient = { timeoutMs: 60_000, signal: new AbortController().signal };

onBothGrounds((make) => {
  test('a task is found at each place of its way: delayed, queued, running without a record, ended', async () => {
    const [inside, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const setting = await world(await make(), {
      workers: 1,
      run: async (ctx) => {
        if (ctx.id === 'first') inside.resolve();
        await gate.promise;
        return ctx.id;
      },
    });
    const { doors } = await setting.boot('a');
    const status = async (id: string) => {
      const { status: now, waitingFor } = await setting.eventually(doors.get('t', id));
      return `${now} ${waitingFor?.reason ?? '-'}`;
    };
    await setting.submit('first');
    await setting.eventually(inside.promise);
    await setting.submit('second');
    await setting.submit('third');
    await setting.submit('delayed', { envelope: { delayMs: 3_600_000 } });
    expect(await Promise.all(['first', 'third', 'delayed'].map(status))).toEqual([
      'running -',
      'queued lane',
      'queued due',
    ]);
    gate.resolve();
    expect(await setting.eventually(doors.await('t', 'third', patient))).toMatchObject({
      status: 'completed',
      output: 'third',
    });
    await expect(setting.eventually(doors.get('t', 'none'))).rejects.toMatchObject({ code: 'not_found' });
  });

  test('history says in the end what KV says, revision by revision, after an outage too', async () => {
    const setting = await world(await make(), {
      retry: { max: 2, backoff: { first: '1ms' } },
      run: async (ctx, input) => {
        for (const name of ['a', 'b', 'c']) await ctx.step(name, () => name);
        if (Number(input) % 3 === 0) throw new Error('no');
        return Number(input);
      },
    });
    await setting.boot('a');
    const ids = Array.from({ length: 20 }, (_, n) => `x${n}`);
    setting.store.setAvailable(false);
    await Promise.all(ids.map((id, n) => setting.submit(id, { input: n })));
    for (const id of ids) await setting.becomes(id);
    setting.store.setAvailable(true);
    for (const id of ids) {
      const record = await setting.record(id);
      const row = await setting.until(
        () => setting.store.task('t', id),
        (found) => found?.status === record?.status,
      );
      const entry = await setting.eventually(setting.records.get(`t.${id}`));
      expect([row?.revision, row?.failures, row?.steps.length]).toEqual([entry?.revision, record?.failures, 3]);
    }
    await setting.drained();
  });
});

test('a result is heard though its announcement was lost', async () => {
  const ground = memoryGround();
  const gate = Promise.withResolvers<void>();
  const setting = await world(ground, { run: () => gate.promise.then(() => 'done') });
  const { doors } = await setting.boot('a');
  await setting.submit('x');
  const waiting = doors.await('t', 'x', patient);
  await setting.eventually(setting.clock.sleep(50));
  ground.broker.next('message', 'lose', { subject: 'results.t.x', times: 9 });
  gate.resolve();
  expect(await setting.eventually(waiting)).toMatchObject({ status: 'completed', output: 'done' });
});

describe('a store that is away', () => {
  test('for longer than half a record’s life keeps submitters out, and forgets nothing', async () => {
    const hour = 3_600_000;
    const ground = memoryGround();
    const setting = await world(ground, { run: async () => 'done', ackWaitMs: 30_000 });
    const { doors } = await setting.boot('a');
    setting.store.setAvailable(false);
    await setting.submit('early');
    await setting.becomes('early');
    await ground.clock.advance(0.6 * hour);
    const submit = (id: string) => setting.eventually(doors.submit('t', bytes('1'), { 'Troupe-Id': id }));
    await expect(submit('refused')).rejects.toMatchObject({
      code: 'overloaded',
      message: expect.stringContaining('projection'),
    });
    // What had been accepted goes on, and is kept for as long as it takes.
    await setting.submit('late');
    await setting.becomes('late');
    expect((await setting.eventually(setting.records.get('t.late')))?.ttlMs).toBe(7 * 24 * hour);
    setting.store.setAvailable(true);
    for (const id of ['early', 'late'])
      await setting.until(
        () => setting.store.task('t', id),
        (row) => row?.status === 'completed',
      );
    await ground.clock.advance(60_000);
    expect(await submit('taken')).toMatchObject({ duplicate: false });
  });
});

test('a bucket that was made anew wins over the rows of the old one, though its revisions are lower', async () => {
  const { url } = await freshNats();
  const setting = await world(natsGround(url), { run: async (_ctx, input) => Number(input) });
  const first = await setting.boot('a');
  for (const n of [1, 2, 3]) {
    await setting.submit(`x${n}`, { input: n });
    await setting.becomes(`x${n}`);
  }
  await setting.until(
    () => setting.store.task('t', 'x3'),
    (row) => row?.result === '3',
  );
  await first.stop();
  await madeAnew(setting, 'KV_tasks', setting.provisioned);
  await setting.boot('b');
  await setting.submit('x3', { input: 33 });
  await setting.becomes('x3');
  const row = await setting.until(
    () => setting.store.task('t', 'x3'),
    (found) => found?.result === '33',
  );
  expect(row?.revision).toBe(1);
});
