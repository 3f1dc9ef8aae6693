import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryBroker } from '../../../src/bus/memory/broker.ts';
import { itemsOf } from '../../../src/dev/start/batch.ts';
import { ended, type Following, follow, until } from '../../../src/dev/start/follow.ts';
import { takeovers } from '../../../src/dev/start/takeover.ts';
import { systemClock } from '../../../src/kernel/clock.ts';
import { seededRandom } from '../../../src/kernel/random.ts';
import { bucket } from '../../../src/kv/bucket.ts';
import type { Bucket } from '../../../src/kv/kv.ts';
import { encodeRecord, type TaskRecord } from '../../../src/task/record.ts';
import { completed, firstRecord } from '../../../src/task/transitions.ts';

const items = itemsOf('b1', ['alpha']);
const [first, second, third] = items;
if (!first || !second || !third) throw new Error('three tasks');
const never = new AbortController().signal;

const record = ({ type, id }: (typeof items)[number], worker: string, attempt = 1): TaskRecord => ({
  ...firstRecord({
    type,
    id,
    route: { pool: 'default', lane: 'normal', partition: '0' },
    inputHash: 'x',
    submittedAt: 0,
  }),
  worker,
  attempt,
});

let records: Bucket;
let following: Following;
const put = (item: (typeof items)[number], value: TaskRecord): Promise<number> =>
  records.put(item.key, encodeRecord(value));

beforeEach(async () => {
  const { queue } = memoryBroker({ clock: systemClock, random: seededRandom(1) }).connect();
  await queue.ensureStream({ name: 'KV_tasks', subjects: ['$KV.tasks.>'], keep: 'last' });
  records = bucket(queue, 'tasks');
});
afterEach(() => following.stop());

describe('following a batch', () => {
  it('knows what had ended before, though KV has forgotten it', async () => {
    const earlier = new Map([
      [first.key, { status: 'completed' as const, attempt: 1, failures: 0, worker: 'node-a.x.1' }],
    ]);
    await put(second, record(second, 'node-a.default.1'));
    following = await follow(records, items, earlier);
    expect(following.tally()).toMatchObject({ total: 3, completed: 1, running: 1 });
    expect(ended(following.tally())).toBe(1);
  });

  it('does not see what is no task of the batch, or no record', async () => {
    await records.put('summarise.other', encodeRecord(record(first, 'node-a.default.1')));
    await records.put(first.key, new TextEncoder().encode('{'));
    following = await follow(records, items, new Map());
    expect(following.tally()).toMatchObject({ running: 0, completed: 0 });
  });

  it('tells of changes as they come', async () => {
    following = await follow(records, items, new Map());
    const done = until(following, () => following.tally().completed === 1, never);
    await put(first, completed(record(first, 'node-a.default.1'), 1, 0));
    await done;
  });

  it('ends a wait that nobody wants any more', async () => {
    following = await follow(records, items, new Map());
    await expect(until(following, () => false, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  });
});

describe('a takeover', () => {
  it('is told of each task that the dead node held, even if that is heard late, and of no other', async () => {
    following = await follow(records, items, new Map());
    const held = until(following, () => following.tally().running === 3, never);
    await put(first, record(first, 'node-b.default.1'));
    await put(second, record(second, 'node-b.default.2'));
    await put(third, record(third, 'node-a.default.1'));
    await held;
    const told = takeovers({ following, node: 'node-b', now: () => 0, signal: never });
    // Written before the node died, told after it: that task it held no more.
    await put(second, completed(record(second, 'node-b.default.2'), 1, 0));
    await put(third, record(third, 'node-b.default.3'));
    await put(first, record(first, 'node-a.default.2', 2));
    await put(third, record(third, 'node-a.default.1', 2));
    expect(await told).toEqual([
      { item: first, worker: 'node-a.default.2', afterMs: 0 },
      { item: third, worker: 'node-a.default.1', afterMs: 0 },
    ]);
  });

  it('is none where the dead node held nothing, whatever the names of the others, and who had its name before', async () => {
    await put(second, record(second, 'node-b.default.2'));
    following = await follow(records, items, new Map());
    const held = until(following, () => following.tally().running === 2, never);
    await put(first, record(first, 'node-bb.default.1'));
    await held;
    expect(await takeovers({ following, node: 'node-b', now: () => 0, signal: never })).toEqual([]);
  });
});
