/** Reads the records' bucket as any client can, from its first revision on. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { type Ledger, ledger } from './ledger.ts';

export interface Records {
  readonly ledger: Ledger;
  readonly ended: () => number;
  /** Resolves when so many tasks have ended, with true; or after this long, with false. */
  endedBy(count: number, mostMs: number): Promise<boolean>;
  /** Messages of tasks that nobody has acked yet. */
  waiting(): Promise<number>;
  /** Reads what there is to the end, then stops. */
  close(): Promise<void>;
}

const prefix = '$KV.tasks.';
const stream = 'KV_tasks';
const over = new Set(['completed', 'failed', 'cancelled', 'dead']);

/** The bucket has to be there, and empty. */
export const follow = async (url: string): Promise<Records> => {
  const connection = await connect({ servers: url, name: 'prove-journal' });
  const manager = await jetstreamManager(connection);
  const told = ledger(Date.now());
  const watchers = new Set<() => void>();
  const ended = new Set<string>();
  let seen = 0;
  const consumer = await jetstream(connection).consumers.get(stream, {});
  const messages = await consumer.consume({
    callback: ({ seq, subject, data, info }) => {
      const task = subject.slice(prefix.length);
      const value: unknown = JSON.parse(new TextDecoder().decode(data));
      told.see({ revision: seq, atMs: info.timestampNanos / 1e6, task, value });
      seen = Math.max(seen, seq);
      if (over.has(told.tasks.get(task)?.status ?? '')) ended.add(task);
      for (const look of watchers) look();
    },
  });

  const until = (so: () => boolean, mostMs: number): Promise<boolean> =>
    new Promise((resolve) => {
      const settle = (yes: boolean): void => {
        watchers.delete(look);
        clearTimeout(timer);
        resolve(yes);
      };
      const look = (): void => {
        if (so()) settle(true);
      };
      const timer = setTimeout(() => settle(false), Math.max(0, mostMs));
      watchers.add(look);
      look();
    });

  return {
    ledger: told,
    ended: () => ended.size,
    endedBy: (count, mostMs) => until(() => ended.size >= count, mostMs),
    waiting: async () => (await manager.streams.info('WORK_agents')).state.messages,
    close: async () => {
      const { state } = await manager.streams.info(stream);
      const all = await until(() => seen >= state.last_seq, 10_000);
      await messages.close();
      await connection.close();
      if (!all) throw new Error(`of ${state.last_seq} revisions of the records only ${seen} could be read`);
    },
  };
};
