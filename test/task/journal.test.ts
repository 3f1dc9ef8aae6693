import { describe, expect, test } from 'vitest';
import { AmbiguousStepError, FencedError } from '../../src/kernel/errors.ts';
import { journal } from '../../src/task/journal.ts';
import { type Life, lives } from '../../src/task/lives.ts';
import { decodeRecord, encodeRecord, stepsMax, type TaskRecord } from '../../src/task/record.ts';
import { begun, firstRecord } from '../../src/task/transitions.ts';
import { recordWriter } from '../../src/task/writer.ts';
import { open } from './world.ts';

const first = begun(
  firstRecord({
    id: 'a',
    type: 't',
    route: { pool: 'default', lane: 'normal', partition: '0' },
    inputHash: 'h',
    submittedAt: 0,
  }),
  { stream: 'WORK_default', seq: 1, deliveries: 1 },
  'w',
  0,
);

const setup = async () => {
  const world = await open();
  const { ports } = world;
  /** An attempt, with what the earlier ones have written. */
  const writing = async (life: Life = lives().begin('t.a')) => {
    const entry = await ports.records.get('t.a');
    const record: TaskRecord = (entry && decodeRecord(entry.value)) ?? first;
    const writer = recordWriter({ ports, recordKey: 't.a', record, revision: entry?.revision ?? 0, fenced: () => {} });
    return { writer, steps: journal(ports, Promise.resolve(writer), life) };
  };
  const attempt = async () => (await writing()).steps;
  const ran: string[] = [];
  const noting = (name: string, value: unknown) => () => {
    ran.push(name);
    return value;
  };
  return { ...world, attempt, writing, ran, noting };
};

test('a recorded step is answered from the record, on the same attempt’s terms', async () => {
  const { attempt, ran, noting, clock } = await setup();
  const date = new Date(0);
  const slow = (): Promise<unknown> => clock.advance(7).then(noting('a', { date, gone: undefined }));
  const one = await (await attempt()).step('a', undefined, slow);
  const two = await (await attempt()).step('a', undefined, noting('a again', 'other'));
  expect(ran).toEqual(['a']);
  expect([one.replayed, two.replayed]).toEqual([false, true]);
  expect([one.ms, two.ms]).toEqual([7, 7]);
  expect(one.value).toEqual({ date: date.toISOString() });
  expect(two.value).toEqual(one.value);
});

test('steps are told apart by name and key, and by nothing else', async () => {
  const { attempt, record, noting } = await setup();
  const steps = await attempt();
  const all = [
    ['a', undefined],
    ['a', '1'],
    ['a', '2'],
    ['b', '1'],
    ['a\u00001', undefined],
  ] as const;
  await Promise.all(all.map(([name, key], n) => steps.step(name, key, noting(name, n))));
  expect((await record('a'))?.steps.map(({ result }) => result)).toEqual([0, 1, 2, 3, 4]);
  const again = await attempt();
  const replayed = await Promise.all(all.toReversed().map(([name, key]) => again.step(name, key, noting(name, 'no'))));
  expect(replayed.map(({ value }) => value)).toEqual([4, 3, 2, 1, 0]);
});

test('the same name and key twice is ambiguous, whether or not the first has ended', async () => {
  const { attempt, ran, noting } = await setup();
  const steps = await attempt();
  const under = steps.step('a', 'k', noting('a', 1));
  await expect(steps.step('a', 'k', noting('b', 1))).rejects.toThrow(AmbiguousStepError);
  await under;
  await expect(steps.step('a', 'k', noting('c', 1))).rejects.toThrow(/"a" with key "k" is used twice/);
  expect(ran).toEqual(['a']);
});

test('parallel steps do not fence their own task, and are all recorded', async () => {
  const { attempt, record, noting } = await setup();
  const steps = await attempt();
  await Promise.all(Array.from({ length: stepsMax }, (_, n) => steps.step('s', String(n), noting('s', n))));
  expect((await record('a'))?.steps).toHaveLength(stepsMax);
  await expect(steps.step('one', undefined, noting('one', 1))).rejects.toMatchObject({ code: 'non_retryable' });
});

test('what a step throws is thrown on, and nothing is recorded of it', async () => {
  const { attempt, record, ran, noting } = await setup();
  const boom = new Error('boom');
  const fail = () => Promise.reject(boom);
  await expect((await attempt()).step('a', undefined, fail)).rejects.toBe(boom);
  expect(await record('a')).toBeUndefined();
  expect((await (await attempt()).step('a', undefined, noting('a', 1))).replayed).toBe(false);
  expect(ran).toEqual(['a']);
});

test('a step that failed may be tried again by the same attempt', async () => {
  const { attempt, noting } = await setup();
  const steps = await attempt();
  await expect(steps.step('a', 'k', () => Promise.reject(new Error('boom')))).rejects.toThrow('boom');
  expect((await steps.step('a', 'k', noting('a', 1))).value).toBe(1);
});

test('what a step has cost is added up in the same write, and an answer that has begun is known to the next attempt', async () => {
  const { attempt, record } = await setup();
  const usage = { inputTokens: 3, outputTokens: 2, usd: 0.5 };
  const steps = await attempt();
  await steps.step(
    'a',
    undefined,
    () => 1,
    () => usage,
  );
  await steps.step(
    'b',
    undefined,
    () => 2,
    () => usage,
  );
  expect((await record('a'))?.usage).toEqual({ inputTokens: 6, outputTokens: 4, usd: 1 });
  void steps.step('c', 'k', async ({ begun: began }) => {
    await began('req-1');
    await new Promise(() => {});
  });
  await expect
    .poll(async () => (await record('a'))?.calls)
    .toMatchObject([{ name: 'c', key: 'k', requestId: 'req-1' }]);
  const seen: unknown[] = [];
  const again = await attempt();
  for (const key of ['other', 'k']) await again.step('c', key, ({ interrupted }) => seen.push(interrupted?.requestId));
  expect(seen).toEqual([undefined, 'req-1']);
  expect((await record('a'))?.calls).toEqual([]);
});

test('what an attempt has begun itself and tries again was not interrupted', async () => {
  const { attempt } = await setup();
  const steps = await attempt();
  const failing = steps.step('a', undefined, async ({ begun: began }) => {
    await began('req-1');
    throw new Error('boom');
  });
  await expect(failing).rejects.toThrow('boom');
  const { value } = await steps.step('a', undefined, ({ interrupted }) => interrupted === undefined);
  expect(value).toBe(true);
});

test('a value that JSON cannot hold is the step’s failure', async () => {
  const { attempt, record } = await setup();
  const steps = await attempt();
  await expect(steps.step('a', undefined, () => 1n)).rejects.toThrow('the result of step "a" is no JSON');
  expect(await record('a')).toBeUndefined();
});

test('no step runs before it is known whose task it is', async () => {
  const { ports, ran, noting } = await setup();
  const refused = Promise.reject(new FencedError('another’s'));
  refused.catch(() => {}); // Whoever makes a step hears of it.
  await expect(journal(ports, refused, lives().begin('t.a')).step('a', undefined, noting('a', 1))).rejects.toThrow(
    FencedError,
  );
  expect(ran).toEqual([]);
});

test('a step that another attempt has overtaken is not recorded', async () => {
  const { attempt, record, ports, noting } = await setup();
  const steps = await attempt();
  await steps.step('a', undefined, noting('a', 1));
  const entry = await ports.records.get('t.a');
  await ports.records.update('t.a', encodeRecord({ ...first, attempt: 2 }), entry?.revision ?? 0);
  await expect(steps.step('b', undefined, noting('b', 1))).rejects.toThrow(FencedError);
  expect(await record('a')).toMatchObject({ attempt: 2, steps: [] });
});

test('a step of an attempt that is over is not run', async () => {
  const { ports, ran, noting } = await setup();
  const writer = recordWriter({ ports, recordKey: 't.a', record: first, revision: 0, fenced: () => {} });
  const steps = journal(ports, Promise.resolve(writer), lives().begin('t.a'));
  await writer.end((record) => record);
  await expect(steps.step('late', undefined, noting('late', 1))).rejects.toThrow(FencedError);
  expect(ran).toEqual([]);
});

describe('after a break in which nothing was kept alive', () => {
  const broken = async () => {
    const world = await setup();
    let breaks = 0;
    const life = lives({ isBroken: () => false, breaks: () => breaks }).begin('t.a');
    const { writer, steps } = await world.writing(life);
    await steps.step('a', undefined, world.noting('a', 1));
    breaks += 1;
    return { ...world, writer, steps };
  };

  test('no step is run that another attempt may have run meanwhile', async () => {
    const { attempt, steps, ran, noting } = await broken();
    await (await attempt()).step('b', undefined, noting('b', 2));
    await expect(steps.step('b', undefined, noting('b', 3))).rejects.toThrow(FencedError);
    await expect(steps.step('c', undefined, noting('c', 4))).rejects.toThrow(FencedError);
    expect(ran).toEqual(['a', 'b']);
  });

  test('a step waits for the answer whose task it is, however long NATS is away', async () => {
    const { steps, ran, noting, cut, heal, clock, eventually } = await broken();
    cut();
    const stepped = steps.step('b', undefined, noting('b', 2));
    await clock.advance(60_000);
    expect(ran).toEqual(['a']);
    heal();
    expect(await eventually(stepped)).toMatchObject({ value: 2 });
  });

  test('a step that waits for it is not run once the attempt is over', async () => {
    const { writer, steps, ran, noting, cut, heal, clock, eventually } = await broken();
    cut();
    const late = expect(steps.step('b', undefined, noting('b', 2))).rejects.toThrow(FencedError);
    await clock.advance(10_000);
    writer.close();
    heal();
    await eventually(late);
    expect(ran).toEqual(['a']);
  });

  test('steps go on where nobody has written, side by side too', async () => {
    const { steps, ran, noting } = await broken();
    await Promise.all(['b', 'c'].map((name) => steps.step(name, undefined, noting(name, name))));
    await steps.step('d', undefined, noting('d', 'd'));
    expect(ran).toEqual(['a', 'b', 'c', 'd']);
  });
});
