/** Two nodes, a producer and a reader of all that is written, under a seed: faults, crashes of nodes, restarts of the broker. */
import { z } from 'zod';
import { admission } from '../../src/app/admission.ts';
import { registry } from '../../src/app/registry.ts';
import { resolveApp } from '../../src/app/resolve.ts';
import { memoryBroker } from '../../src/bus/memory/broker.ts';
import type { FaultRates } from '../../src/bus/memory/faults.ts';
import { streams, subjects } from '../../src/bus/subjects.ts';
import { client } from '../../src/client/client.ts';
import type { TaskState } from '../../src/client/types.ts';
import { defineApp, defineTask } from '../../src/index.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { type Random, seededRandom } from '../../src/kernel/random.ts';
import { type VirtualClock, virtualClock } from '../../src/kernel/virtual-clock.ts';
import { bucket } from '../../src/kv/bucket.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { TaskRow } from '../../src/store/store.ts';
import { encodeJson } from '../../src/bus/json.ts';
import { header } from '../../src/task/headers.ts';
import { decodeRecord, type TaskRecord } from '../../src/task/record.ts';
import { startNode, type TestNode } from '../../src/testing/node.ts';

const faults: FaultRates = {
  lostPublish: 0.03,
  unansweredPublish: 0.03,
  refusedPublish: 0.02,
  lostAck: 0.05,
  duplicateDelivery: 0.05,
  lostRead: 0.02,
  staleRead: 0.3,
  lostMessage: 0.1,
  cut: 0.002,
};
/** A second. */
const nodeCrashes = 0.05;
const brokerRestarts = 0.03;
const longestS = 3_600;

export interface Storm {
  readonly ids: readonly string[];
  /** What the client said at the end. */
  readonly states: readonly TaskState[];
  /** Every revision of every record, in order. */
  readonly history: ReadonlyMap<string, readonly TaskRecord[]>;
  readonly rows: readonly (TaskRow | undefined)[];
  /** Messages left in the streams through which tasks pass. */
  readonly left: number;
}

/** A task of three steps, each with time to be interrupted. Of every fifth the first attempt fails. */
const work = (clock: VirtualClock, random: Random) =>
  defineTask({
    name: 'work',
    input: z.number(),
    output: z.array(z.string()),
    retry: { max: 6, backoff: { first: '1s', factor: 2 } },
    run: async (ctx, n) => {
      const parts: string[] = [];
      for (const name of ['a', 'b', 'c']) {
        const part = ctx.step(name, async () => {
          await clock.sleep(random.next() * 2_000);
          return `${name} ${random.nonce()}`;
        });
        parts.push(await part);
      }
      if (n % 5 === 0 && ctx.attempt === 1) throw new Error('the first one fails');
      return parts;
    },
  });

export const storm = async (seed: number, tasks: number): Promise<Storm> => {
  const clock = virtualClock();
  const random = seededRandom(seed);
  const broker = memoryBroker({ clock, random, log: silentLog });
  const store = memoryStore();
  const task = work(clock, random);
  const app = resolveApp(defineApp({ tasks: [task], pools: { default: { workers: { min: 5, max: 5 } } } }));

  /** Again and again, as whoever runs nodes would. */
  const start = async (name: string): Promise<TestNode> => {
    for (;;) {
      const node = await startNode({ app, broker, store, clock, random, name }).catch(() => undefined);
      if (node) return node;
      await clock.sleep(1_000);
    }
  };
  const nodes = [await start('a-0'), await start('b-0')];

  const { bus, queue, blobs } = broker.connect();
  const admitting = admission(registry(app));
  const producer = client({ bus, queue, blobs, clock, random, log: silentLog, region: 'main', admission: admitting });
  const ids = Array.from({ length: tasks }, (_, n) => `t${n}`);
  const history = await follow(broker.connect().queue);
  broker.setRates(faults);

  /** At the edge, at the edge with a delay, or through the inbox. */
  const submit = async (n: number, id: string): Promise<unknown> => {
    if (n % 4 === 0) return producer.submit(task, n, { id, delay: '10s' });
    if (n % 4 === 1) return queue.publish(subjects.task('work'), encodeJson(n), { headers: { [header.id]: id } });
    return producer.submit(task, n, { id });
  };
  const submitted = async (n: number, id: string): Promise<void> => {
    const again = (): Promise<void> => clock.sleep(500).then(() => submitted(n, id));
    await submit(n, id).then(() => undefined, again); // Unknown or not taken: the same again.
  };
  const cancelled = async (id: string): Promise<void> => {
    await clock.sleep(random.next() * 20_000);
    await producer
      .run(task, id)
      .cancel()
      .catch(() => undefined); // Perhaps it was, perhaps not.
  };
  const ended = async (id: string): Promise<TaskState> => {
    const state = await producer
      .run(task, id)
      .status()
      .catch(() => undefined);
    if (state && ['completed', 'failed', 'cancelled', 'dead'].includes(state.status)) return state;
    await clock.sleep(2_000);
    return ended(id);
  };

  const play = async (n: number, id: string): Promise<TaskState> => {
    await submitted(n, id);
    const [state] = await Promise.all([ended(id), ...(n % 10 === 7 ? [cancelled(id)] : [])]);
    return state;
  };

  let over = false;
  const all = Promise.all(ids.map((id, n) => play(n, id))).finally(() => {
    over = true;
  });
  for (let second = 1; !over && second < longestS; second += 1) {
    await clock.advance(1_000);
    if (random.next() < brokerRestarts) broker.restart({ crash: random.next() < 0.5 });
    if (random.next() >= nodeCrashes) continue;
    const index = random.next() < 0.5 ? 0 : 1;
    nodes[index]?.crash();
    nodes[index] = await passing(clock, start(`${index}-${second}`));
  }
  if (!over) throw new Error(`not all had ended after ${longestS} s`);

  broker.setRates({});
  const states = await all;
  await clock.advance(120_000);
  const rows = await Promise.all(ids.map((id) => store.task('work', id)));
  const passed = [streams.work('main', 'default'), streams.inbox, streams.sched];
  const infos = await Promise.all(passed.map(queue.streamInfo));
  return { ids, states, history, rows, left: infos.reduce((sum, { messages }) => sum + messages, 0) };
};

const follow = async (queue: Parameters<typeof bucket>[0]): Promise<ReadonlyMap<string, readonly TaskRecord[]>> => {
  const history = new Map<string, TaskRecord[]>();
  await bucket(queue, 'tasks').watch('>', (_key, entry) => {
    const record = entry && decodeRecord(entry.value);
    if (!record) return;
    const revisions = history.get(record.id) ?? [];
    history.set(record.id, revisions);
    revisions.push(record);
  });
  return history;
};

const passing = async <T>(clock: VirtualClock, promise: Promise<T>): Promise<T> => {
  let over = false;
  const settled = promise.finally(() => {
    over = true;
  });
  while (!over) await clock.advance(100);
  return settled;
};
