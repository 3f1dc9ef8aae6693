/** The queue port, put together; and what the connection has to tell its parts. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Clock } from '../../kernel/clock.ts';
import type { Log } from '../../kernel/log.ts';
import type { Random } from '../../kernel/random.ts';
import { untilAnswered } from '../../kernel/unanswered.ts';
import type { Queue } from '../queue.ts';
import type { Api } from './api.ts';
import { consumersOf } from './consumers.ts';
import type { Settle } from './delivery.ts';
import type { Mux } from './mux.ts';
import { streamPublish } from './publish.ts';
import { consume, type Pulling } from './pull.ts';
import { readsOf } from './reads.ts';
import type { ServerTime } from './server-time.ts';
import { streamsOf } from './streams.ts';
import { type Tailing, tail } from './tail.ts';

export interface NatsQueueOptions {
  readonly connection: NatsConnection;
  readonly requests: Mux;
  readonly api: Api;
  readonly inbox: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly time: ServerTime;
}

export interface NatsQueue {
  readonly queue: Queue;
  connected(): void;
  disconnected(): void;
  close(): void;
}

const checkMs = 250;
/** Long enough for a cluster to elect leaders for what it has just been given. */
const electionMs = 15_000;

interface AccountAnswer {
  readonly limits?: { readonly max_storage: number };
  readonly tiers?: Readonly<Record<string, { readonly limits: { readonly max_storage: number } }>>;
}

export const natsQueue = (options: NatsQueueOptions): NatsQueue => {
  const { connection, requests, api, inbox, clock, random, log, time } = options;
  const pulling = new Set<Pulling>();
  const tailing = new Set<Tailing>();
  let count = 0;

  const streams = streamsOf(api, { now: time.now, random });
  const consumers = consumersOf(api);
  const check = clock.every(checkMs, () => {
    for (const each of pulling) each.check();
    for (const each of tailing) each.check();
  });

  const settle: Settle = (ackSubject, payload) => {
    // Once closed nothing can be settled any more: it comes back after the ack wait.
    if (!connection.isClosed()) connection.publish(ackSubject, payload);
  };

  const made = <T>(ensure: () => Promise<T>): Promise<T> =>
    untilAnswered({ clock, random, giveUpAfterMs: electionMs }, ensure);

  const queue: Queue = {
    now: time.now,
    publish: streamPublish(requests),
    ...readsOf(api, requests),
    ensureStream: (spec) => made(() => streams.ensure(spec)),
    streamsTaking: streams.taking,
    streamInfo: streams.info,
    ensureConsumer: (spec) => made(() => consumers.ensure(spec)),
    consumerInfo: consumers.info,

    storageLimit: async () => {
      const { limits, tiers } = await api<AccountAnswer>('INFO');
      const most = tiers?.['R1']?.limits.max_storage ?? limits?.max_storage ?? -1;
      return most < 0 ? undefined : most;
    },

    consume: (stream, consumer, handlers) => {
      count += 1;
      const from = { connection, inbox: `${inbox}.p${count}`, clock, log, time, settle };
      const each = consume(from, stream, consumer, handlers);
      pulling.add(each);
      return {
        pull: each.pull,
        close: async () => {
          await each.close();
          pulling.delete(each);
        },
      };
    },

    tail: async (stream, wish) => {
      count += 1;
      const from = { connection, api, info: streams.info, inbox: `${inbox}.t${count}`, clock, random, log, time };
      const each = await tail(from, stream, wish);
      tailing.add(each);
      return {
        unsubscribe: () => {
          tailing.delete(each);
          each.unsubscribe();
        },
      };
    },
  };

  return {
    queue,
    connected: () => {
      for (const each of pulling) each.connected();
      for (const each of tailing) each.connected();
    },
    disconnected: () => {
      for (const each of pulling) each.disconnected();
    },
    close: () => {
      check.cancel();
      for (const each of pulling) each.disconnected();
      for (const each of tailing) each.unsubscribe();
      pulling.clear();
      tailing.clear();
    },
  };
};
