import { expect, test } from 'vitest';
import { type Carried, inputOf, readDeadLetter, writeDeadLetter } from '../../src/task/dead-letter.ts';
import type { TaskRecord } from '../../src/task/record.ts';
import { dead, firstRecord } from '../../src/task/transitions.ts';
import { bytes, open, text } from './world.ts';

const died = (submittedAt: number, change: Partial<TaskRecord> = {}): TaskRecord => {
  const route = { pool: 'default', lane: 'low', partition: '0' } as const;
  const first = firstRecord({ id: 'a', type: 't', route, inputHash: 'h', submittedAt, tenant: 'acme', parent: 'p.q' });
  return dead({ ...first, ...change }, 'exhausted', { code: 'e', message: 'it broke' }, submittedAt + 1_000);
};
const carried: Carried = { payload: bytes('{"n":1}'), headers: { 'Troupe-Tenant': 'acme', Trace: '1' } };

const opened = async () => {
  const world = await open();
  const letters = async () => (await world.queue.streamInfo('DLQ')).messages;
  const write = (record: TaskRecord, what = carried) => writeDeadLetter(world.ports, record, 't.a', what);
  return { ...world, letters, write };
};

test('a dead letter has all that it takes to see why, and to try again', async () => {
  const { ports, write } = await opened();
  await write(died(0, { attempt: 3, failures: 3, worker: 'n.default.1' }));
  expect(await readDeadLetter(ports, 't.a')).toEqual({
    type: 't',
    id: 'a',
    pool: 'default',
    lane: 'low',
    reason: 'exhausted',
    error: { code: 'e', message: 'it broke' },
    attempts: 3,
    failures: 3,
    tenant: 'acme',
    parent: 'p.q',
    worker: 'n.default.1',
    createdAt: '1970-01-01T00:00:00.000Z',
    deadAt: '1970-01-01T00:00:01.000Z',
    input: '{"n":1}',
    headers: { 'Troupe-Tenant': 'acme', Trace: '1' },
  });
  expect(await readDeadLetter(ports, 't.other')).toBeUndefined();
});

test('it is counted, and as bad input where that is its reason', async () => {
  const { ports, write } = await opened();
  await write(died(0));
  const first = await ports.metrics.text();
  expect(first).toContain('troupe_dead_letters_total{reason="exhausted"} 1');
  expect(first).not.toContain('troupe_bad_input_total{');
  await write({ ...died(0), reason: 'invalid_json', error: { code: 'too_deep', message: 'too deep' } });
  expect(await ports.metrics.text()).toContain('troupe_bad_input_total{reason="too_deep"} 1');
});

test('it is written once, however often it is asked for and whatever the answers', async () => {
  const { broker, ports, write, letters, eventually } = await opened();
  broker.next('publish', 'succeed_and_time_out', { subject: 'dlq.>' });
  for (const _ of [1, 2, 3]) await eventually(write(died(0)));
  expect(await letters()).toBe(1);
  expect(await ports.metrics.text()).not.toContain('troupe_dead_letters_total{reason="exhausted"} 2');
});

test('a task that had the same id before has its own', async () => {
  const { ports, write, letters } = await opened();
  await write(died(0));
  for (const _ of [1, 2]) await write(died(5_000), { ...carried, payload: bytes('2') });
  expect(await letters()).toBe(2);
  expect(await readDeadLetter(ports, 't.a')).toMatchObject({ input: '2', createdAt: '1970-01-01T00:00:05.000Z' });
});

test('the last of several is the task’s, and never what the projector wrote under its key', async () => {
  const { ports, queue, write } = await opened();
  for (const reason of ['exhausted', 'deadline', 'crash'] as const) await write({ ...died(0), reason });
  await queue.publish('dlq.projector.refused.t.a', bytes('{}'));
  expect(await readDeadLetter(ports, 't.a')).toMatchObject({ reason: 'crash' });
});

test('what stands in its place and is none keeps it from nobody', async () => {
  const { queue, write, letters } = await opened();
  await queue.publish('dlq.default.exhausted.t.a', bytes('{'));
  await write(died(0));
  expect(await letters()).toBe(2);
});

test('input that is larger than any that could run is cut, so that the letter can be stored', async () => {
  const { queue, ports, write } = await opened();
  const payload = bytes('\u0001'.repeat(500_000));
  await write(died(0), { payload, headers: { Note: '\u0002'.repeat(60_000) } });
  const stored = await queue.last('DLQ', 'dlq.>');
  expect(text(stored?.data).length).toBeLessThan(768 * 1_024);
  expect((await readDeadLetter(ports, 't.a'))?.input).toBe('\u0001'.repeat(100_000));
});

test('input that is no text is kept as it came', async () => {
  const { ports, write } = await opened();
  const payload = Uint8Array.of(0x22, 0x63, 0xe9, 0x22);
  await write(died(0), { ...carried, payload });
  const letter = await readDeadLetter(ports, 't.a');
  expect(letter?.input).toBe('"c\ufffd"');
  expect(letter && [...inputOf(letter)]).toEqual([...payload]);
});

test('input of the largest size that is taken is kept whole', async () => {
  const { ports, write } = await opened();
  const input = JSON.stringify('"\\'.repeat(65_500));
  expect(input.length).toBeGreaterThan(255 * 1_024);
  await write(died(0), { ...carried, payload: bytes(input) });
  expect((await readDeadLetter(ports, 't.a'))?.input).toBe(input);
});
