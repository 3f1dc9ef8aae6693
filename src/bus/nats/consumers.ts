/** Durable pull consumers: made once, brought up to their spec ever after. */
import { RefusedError } from '../../kernel/errors.ts';
import type { ConsumerInfo, ConsumerSpec } from '../queue.ts';
import type { Api } from './api.ts';

interface InfoAnswer {
  readonly config: Readonly<Record<string, unknown>>;
  readonly num_pending: number;
  readonly num_ack_pending: number;
  readonly num_redelivered: number;
  readonly num_waiting: number;
  readonly ack_floor: { readonly stream_seq: number };
}

export interface Consumers {
  ensure(spec: ConsumerSpec): Promise<void>;
  info(stream: string, consumer: string): Promise<ConsumerInfo>;
}

export const consumersOf = (api: Api): Consumers => {
  const read = (stream: string, consumer: string): Promise<InfoAnswer> => api(`CONSUMER.INFO.${stream}.${consumer}`);

  return {
    ensure: async (spec) => {
      const config = configOf(spec);
      // The server takes this for a creation and for an update alike, and does nothing if nothing is new.
      const create = (): Promise<unknown> =>
        api(`CONSUMER.CREATE.${spec.stream}.${spec.name}`, { stream_name: spec.stream, config, action: '' });
      try {
        await create();
      } catch (cause) {
        if (!(cause instanceof RefusedError)) throw cause;
        throw new RefusedError(`consumer ${spec.name} of stream ${spec.stream}: ${cause.message}`, { cause });
      }
    },

    info: async (stream, consumer) => {
      const answer = await read(stream, consumer);
      return {
        pending: answer.num_pending,
        ackPending: answer.num_ack_pending,
        redelivered: answer.num_redelivered,
        waiting: answer.num_waiting,
        ackFloor: answer.ack_floor.stream_seq,
      };
    },
  };
};

/** Deliveries are no attempts, so there is no most of them: attempts are counted where outcomes are recorded. */
const configOf = (spec: ConsumerSpec): Readonly<Record<string, unknown>> => ({
  durable_name: spec.name,
  name: spec.name,
  filter_subject: spec.filter,
  deliver_policy: 'all',
  replay_policy: 'instant',
  ack_policy: spec.ack === 'through' ? 'all' : 'explicit',
  ack_wait: spec.ackWaitMs * 1_000_000,
  max_deliver: -1,
  max_ack_pending: spec.maxAckPending,
  max_waiting: 512,
});
