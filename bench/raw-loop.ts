/**
 * The hand-written loop that Troupe is measured against: as little as does the same work on JetStream. It publishes
 * with message ids, pulls in batches, writes each result over the expected revision 0 of its key, and acks after that.
 * No error is handled, nothing is retried, and what a lost answer means is nobody's concern.
 */
import { AckPolicy, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { connect, headers, type Msg, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { rawStreams } from './raw-streams.ts';
import { jobOf, readyUntilTold, sayReady, sayResult } from './script.ts';
import { atOnce, type Count, input, msSince, nowNs, paced, perSecond, pipelined } from './work.ts';

export type RawJob =
  /** Makes the streams; publishes as fast as it can. Answers publishes per second. */
  | (Count & { readonly does: 'publish'; readonly url: string })
  /** The same, but it is ready with `warmUp` messages published, and publishes the others when told to. */
  | (Count & { readonly does: 'flow'; readonly url: string })
  /** Publishes at the steady rate. */
  | { readonly does: 'pace'; readonly url: string; readonly tasks: number }
  /** Answers how long after their publishing messages were here, in ms. */
  | { readonly does: 'work'; readonly url: string; readonly tasks: number };

const subject = 'work.main.raw.normal.0.noop';
const consumer = 'raw-normal';
const oneSecondNs = 1e9;
const decoder = new TextDecoder();
const ack = '+ACK';

const makeStreams = async (nc: NatsConnection): Promise<void> => {
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({
    name: rawStreams.work,
    subjects: ['work.main.raw.>'],
    retention: RetentionPolicy.Workqueue,
    storage: StorageType.File,
  });
  await jsm.streams.add({
    name: rawStreams.records,
    subjects: ['$KV.raw.>'],
    max_msgs_per_subject: 1,
    storage: StorageType.File,
    allow_direct: true,
  });
  await jsm.consumers.add(rawStreams.work, {
    durable_name: consumer,
    ack_policy: AckPolicy.Explicit,
    max_ack_pending: 5_000,
    ack_wait: 30 * oneSecondNs,
  });
};

const order = (name: string, value: string): MsgHdrs => {
  const orders = headers();
  orders.set(name, value);
  return orders;
};
const create = order('Nats-Expected-Last-Subject-Sequence', '0');

/** Requests over one subscription: `send` calls back with the answer. */
const requests = (nc: NatsConnection) => {
  const inbox = `_INBOX.raw${process.pid}.`;
  const waiting = new Map<string, (answer: Msg) => void>();
  let count = 0;
  nc.subscribe(`${inbox}*`, {
    callback: (_error, answer) => {
      const id = answer.subject.slice(inbox.length);
      waiting.get(id)?.(answer);
      waiting.delete(id);
    },
  });
  return (to: string, data: string, orders: MsgHdrs, answered: (answer: Msg) => void): void => {
    const id = (count++).toString(36);
    waiting.set(id, answered);
    nc.publish(to, data, { reply: inbox + id, headers: orders });
  };
};

const publisher = (nc: NatsConnection) => {
  const send = requests(nc);
  return (id: string, data: string): Promise<void> =>
    new Promise((resolve) => send(`${subject}.${id}`, data, order('Nats-Msg-Id', id), () => resolve()));
};

const work = (nc: NatsConnection, tasks: number): Promise<readonly number[]> =>
  new Promise((resolve) => {
    const send = requests(nc);
    const inbox = `_INBOX.pull${process.pid}`;
    const startMs: number[] = [];
    let free = atOnce;
    let asked = 0;
    let done = 0;

    const pull = (): void => {
      if (asked > 0 || free < atOnce / 4 || done + atOnce - free >= tasks) return;
      asked = free;
      const wish = JSON.stringify({ batch: asked, expires: 5 * oneSecondNs });
      nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${rawStreams.work}.${consumer}`, wish, { reply: inbox });
    };

    const begin = (message: Msg): void => {
      asked -= 1;
      free -= 1;
      const { at, x }: { readonly at?: string; readonly x: string } = JSON.parse(decoder.decode(message.data));
      if (at !== undefined) startMs.push(msSince(BigInt(at)));
      const id = message.subject.slice(subject.length + 1);
      const now = new Date().toISOString();
      const record = {
        v: 1,
        id,
        type: 'noop',
        pool: 'raw',
        lane: 'normal',
        status: 'completed',
        attempt: 1,
        result: { x: x.slice(0, 100) },
        createdAt: now,
        finishedAt: now,
      };
      send(`$KV.raw.noop.${id}`, JSON.stringify(record), create, () => {
        nc.publish(message.reply ?? '', ack);
        free += 1;
        done += 1;
        if (done === tasks) resolve(startMs);
        pull();
      });
    };

    nc.subscribe(inbox, {
      callback: (_error, message) => {
        // Without a payload it is the server's word that the pull has ended.
        if (message.data.length > 0) begin(message);
        else asked = 0;
        pull();
      },
    });
    pull();
  });

const job = jobOf<RawJob>();
const nc = await connect({ servers: job.url, noAsyncTraces: true });
if (job.does === 'publish' || job.does === 'flow') {
  await makeStreams(nc);
  const publish = publisher(nc);
  const data = JSON.stringify(input);
  await pipelined(job.warmUp, (index) => publish(`w${index}`, data));
  if (job.does === 'flow') await readyUntilTold();
  const from = performance.now();
  await pipelined(job.tasks, (index) => publish(`t${index}`, data));
  sayResult(perSecond(job.tasks, performance.now() - from));
} else if (job.does === 'pace') {
  const publish = publisher(nc);
  await paced(job.tasks, (index) => publish(`t${index}`, JSON.stringify({ at: String(nowNs()), ...input })));
  sayResult(undefined);
} else {
  const working = work(nc, job.tasks);
  await nc.flush();
  sayReady();
  const startMs = await working;
  await nc.flush();
  sayResult(startMs);
}
