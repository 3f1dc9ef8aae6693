import { expect, test } from 'vitest';
import { PayloadTooLargeError } from '../../src/kernel/errors.ts';
import { valueOf } from '../../src/task/fit.ts';
import { journal } from '../../src/task/journal.ts';
import { lives } from '../../src/task/lives.ts';
import { decodeRecord, recordBytesMax } from '../../src/task/record.ts';
import { begun, completed, firstRecord } from '../../src/task/transitions.ts';
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
const kb = 1_024;

const setup = async () => {
  const world = await open();
  const { ports } = world;
  const attempt = async () => {
    const entry = await ports.records.get('t.a');
    const record = (entry && decodeRecord(entry.value)) ?? first;
    return recordWriter({ ports, recordKey: 't.a', record, revision: entry?.revision ?? 0, fenced: () => {} });
  };
  const bytesNow = async () => (await ports.records.get('t.a'))?.value.length ?? 0;
  const blobs = async () => (await ports.blobs.list()).map(({ name }) => name);
  return { ...world, attempt, bytesNow, blobs };
};

test('what fits stays in the record', async () => {
  const { ports, attempt, blobs, record } = await setup();
  const steps = journal(ports, attempt(), lives().begin('t.a'));
  await steps.step('a', undefined, () => 'x'.repeat(60 * kb));
  expect([await blobs(), (await record('a'))?.steps[0]?.ref]).toEqual([[], undefined]);
});

test('what does not fit goes to blobs, the largest first, and comes back on a later attempt', async () => {
  const { ports, attempt, bytesNow, blobs, record } = await setup();
  const steps = journal(ports, attempt(), lives().begin('t.a'));
  const values = [30, 50, 10, 20].map((size, n) => String(n).repeat(size * kb));
  for (const [n, value] of values.entries()) await steps.step('s', String(n), () => value);
  expect(await bytesNow()).toBeLessThanOrEqual(64 * kb);
  expect((await record('a'))?.steps.map(({ ref }) => ref !== undefined)).toEqual([false, true, false, false]);
  expect((await blobs()).length).toBe(1);
  const again = journal(ports, attempt(), lives().begin('t.a'));
  for (const [n, value] of values.entries())
    expect(await again.step('s', String(n), () => 'no')).toMatchObject({ value, replayed: true });
});

test('a value is put elsewhere once, however often the record is written', async () => {
  const { ports, attempt, blobs, record } = await setup();
  const steps = journal(ports, attempt(), lives().begin('t.a'));
  await steps.step('large', undefined, () => 'x'.repeat(100 * kb));
  const ref = (await record('a'))?.steps[0]?.ref;
  for (let n = 0; n < 5; n += 1) await steps.step('s', String(n), () => n);
  const again = journal(ports, attempt(), lives().begin('t.a'));
  await again.step('after', undefined, () => 1);
  expect([await blobs(), (await record('a'))?.steps[0]?.ref]).toEqual([[ref], ref]);
  expect(ref).toMatch(/^t\.a\.0\./);
});

test('what is too large waits for NATS, as the record does, and its step runs once', async () => {
  const { ports, attempt, blobs, record, clock, cut, heal, eventually } = await setup();
  const steps = journal(ports, attempt(), lives().begin('t.a'));
  let runs = 0;
  const stepped = steps.step('large', undefined, () => {
    runs += 1;
    cut();
    return 'x'.repeat(100 * kb);
  });
  await clock.advance(60_000);
  heal();
  await eventually(stepped);
  expect([runs, await blobs()]).toEqual([1, [(await record('a'))?.steps[0]?.ref]]);
});

test('a large result is elsewhere, and is found there', async () => {
  const { ports, attempt, bytesNow, record } = await setup();
  const writer = await attempt();
  const result = { text: 'x'.repeat(500 * kb) };
  await writer.end((each) => completed(each, result, 0));
  expect(await bytesNow()).toBeLessThan(kb);
  const stored = await record('a');
  expect(stored).toMatchObject({ status: 'completed', resultRef: expect.stringMatching(/^t\.a\.result\./) });
  expect(await valueOf(ports, stored?.result, stored?.resultRef)).toEqual(result);
});

test('a record that does not fit with all its values elsewhere is refused: there are too many steps', async () => {
  const { attempt } = await setup();
  const writer = await attempt();
  const step = { name: 'n'.repeat(128), key: 'k'.repeat(256), result: 'r'.repeat(400), at: first.createdAt, ms: 1 };
  const tooLarge = writer.write((each) => ({ ...each, steps: Array.from({ length: 400 }, () => step) }));
  await expect(tooLarge).rejects.toThrow(PayloadTooLargeError);
  await expect(tooLarge).rejects.toThrow(`at most ${recordBytesMax}: make fewer steps`);
});

test('a blob that is gone is said to be', async () => {
  const { ports } = await setup();
  await expect(valueOf(ports, undefined, 't.a.0.none')).rejects.toThrow('blob t.a.0.none is gone');
  expect(await valueOf(ports, [1], undefined)).toEqual([1]);
});
