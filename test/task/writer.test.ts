import { expect, test } from 'vitest';
import { FencedError } from '../../src/kernel/errors.ts';
import { decodeRecord, encodeRecord, type TaskRecord } from '../../src/task/record.ts';
import { begun, firstRecord, stepped } from '../../src/task/transitions.ts';
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

const step =
  (name: string) =>
  (record: TaskRecord): TaskRecord =>
    stepped(record, { name, at: new Date(0).toISOString(), ms: 1 });

const setup = async () => {
  const world = await open();
  const fences: FencedError[] = [];
  const writer = (revision = 0) =>
    recordWriter({
      ports: world.ports,
      recordKey: 't.a',
      record: first,
      revision,
      fenced: (error) => fences.push(error),
    });
  const names = async () => (await world.record('a'))?.steps.map(({ name }) => name);
  const writes = async () => (await world.queue.streamInfo('KV_tasks')).lastSeq;
  return { ...world, writer, fences, names, writes };
};

test('what comes while a write is under way is merged into the next one', async () => {
  const { writer, names, writes } = await setup();
  const to = writer();
  const all = Array.from({ length: 50 }, (_, n) => to.write(step(`s${n}`)));
  expect(to.record().steps).toHaveLength(50);
  await Promise.all(all);
  expect(await names()).toHaveLength(50);
  expect(await writes()).toBe(2);
});

test('a write resolves when its own change is there', async () => {
  const { writer, record } = await setup();
  const to = writer();
  const seen = async (name: string): Promise<boolean | undefined> => {
    await to.write(step(name));
    return (await record('a'))?.steps.some((each) => each.name === name);
  };
  expect(await Promise.all(['a', 'b', 'c', 'd'].map(seen))).toEqual([true, true, true, true]);
});

test('writes of one task never fence each other, whenever they come', async () => {
  const { writer, names, fences } = await setup();
  const to = writer();
  const wanted: string[] = [];
  const each = async (path: string, depth: number, turns: number): Promise<void> => {
    // So many microtasks after the last one was written: in between, as well as before and after, the next begins.
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    wanted.push(path);
    await to.write(step(path));
    if (depth > 0) await Promise.all([0, 1, 2, 3].map((turn) => each(`${path}${turn}`, depth - 1, turn)));
  };
  await each('s', 3, 0);
  expect(fences).toEqual([]);
  expect((await names())?.toSorted()).toEqual(wanted.toSorted());
});

test('an answer that is lost is waited for, and the write that it was for is not made twice', async () => {
  const { broker, writer, names, fences, eventually, writes } = await setup();
  const to = writer();
  broker.next('publish', 'succeed_and_time_out', { subject: '$KV.tasks.>', times: 2 });
  broker.next('publish', 'lose_and_time_out', { subject: '$KV.tasks.>' });
  await eventually(Promise.all([to.write(step('a')), to.write(step('b'))]));
  expect([await names(), await writes(), fences]).toEqual([['a', 'b'], 2, []]);
});

test('another’s write fences this one: all that waits and comes is refused, and it is told once', async () => {
  const { writer, ports, names, fences } = await setup();
  const to = writer();
  await to.write(step('mine'));
  const revision = (await ports.records.get('t.a'))?.revision ?? 0;
  await ports.records.update('t.a', encodeRecord(step('theirs')(first)), revision);
  const fenced = [to.write(step('late')), to.write(step('later'))].map((each) =>
    expect(each).rejects.toThrow(FencedError),
  );
  await Promise.all(fenced);
  await expect(to.write(step('last'))).rejects.toThrow(FencedError);
  await expect(to.confirm()).rejects.toThrow(FencedError);
  expect([await names(), fences.length]).toEqual([['theirs'], 1]);
});

test('a task that another has begun is fenced at its first write', async () => {
  const { writer, ports, fences } = await setup();
  await ports.records.update('t.a', encodeRecord(first), 0);
  await expect(writer().write(step('a'))).rejects.toThrow(/written by another/);
  expect(fences).toHaveLength(1);
});

test('nothing is written after the end: a handler that was left behind is told so', async () => {
  const { writer, names } = await setup();
  const to = writer();
  await to.end(step('end'));
  await expect(to.write(step('late'))).rejects.toThrow(/has ended/);
  expect(await names()).toEqual(['end']);
});

test('a record that has ended removes itself after its life, and one that has not stays', async () => {
  const { writer, ports } = await setup();
  const to = writer();
  await to.write(step('a'));
  expect((await ports.records.get('t.a'))?.ttlMs).toBeUndefined();
  await to.end((record) => ({ ...record, status: 'completed', finishedAt: new Date(0).toISOString() }));
  const entry = await ports.records.get('t.a');
  expect(entry?.ttlMs).toBe(3_600_000);
  expect(to.bytes()).toEqual(entry?.value);
  expect(decodeRecord(entry?.value ?? new Uint8Array())?.status).toBe('completed');
});

test.each([
  ['has been answered', 0],
  ['is on its way', 2],
])('a record is still this writer’s where a write of its own came between, which %s', async (_when, times) => {
  const { broker, writer, fences, eventually } = await setup();
  const to = writer();
  await to.write(step('a'));
  broker.next('read', 'lose_and_time_out', { subject: '$KV.tasks.>' });
  broker.next('publish', 'succeed_and_time_out', { subject: '$KV.tasks.>', times });
  const confirmed = to.confirm();
  await Promise.resolve(); // It is being asked.
  await eventually(Promise.all([confirmed, to.write(step('b'))]));
  expect(fences).toEqual([]);
});

test('nobody asks any more whose a record is once its attempt is over', async () => {
  const { writer, cut, clock } = await setup();
  const to = writer();
  await to.write(step('a'));
  cut();
  const asked = expect(to.confirm()).rejects.toThrow(/has ended/);
  to.close();
  await clock.advance(10_000);
  await asked;
});
