/** Durable pull consumers: made once, brought up to their spec ever after. */
import { RefusedError } from '../../kernel/errors.ts';
import { ifFound } from '../../kernel/found.ts';
import { ackWaitMsOf, type Found } from '../ack-wait.ts';
import type { ConsumerInfo, ConsumerSpec } from '../queue.ts';
import type { Api } from './api.ts';
import { type Config, changed, describeChanges } from './config.ts';

interface InfoAnswer {
  readonly config: Config;
  readonly num_pending: number;
  readonly num_ack_pending: number;
  readonly num_redelivered: number;
  readonly num_waiting: number;
  readonly ack_floor: { readonly stream_seq: number };
  readonly delivered: { readonly stream_seq: number };
  readonly paused?: boolean;
}

export interface Consumers {
  ensure(spec: ConsumerSpec): Promise<Pick<ConsumerSpec, 'ackWaitMs'>>;
  info(stream: string, consumer: string): Promise<ConsumerInfo>;
}

export const consumersOf = (api: Api): Consumers => {
  const read = (stream: string, consumer: string): Promise<InfoAnswer> => api(`CONSUMER.INFO.${stream}.${consumer}`);

  return {
    ensure: async (spec) => {
      const { stream, name } = spec;
      const before = await ifFound(read(stream, name));
      const ackWaitMs = ackWaitMsOf(spec, before && foundOf(before));
      const wanted = configOf({ ...spec, ackWaitMs });
      if (before && changed(before.config, wanted).length === 0) return { ackWaitMs };
      try {
        // Create or update: whoever else does the same at the same time wants the same.
        const config = { ...before?.config, ...wanted };
        await api(`CONSUMER.CREATE.${stream}.${name}`, { stream_name: stream, config, action: '' });
        return { ackWaitMs };
      } catch (cause) {
        if (!(cause instanceof RefusedError)) throw cause;
        const changes = before ? ` cannot be changed (${describeChanges(before.config, wanted)})` : '';
        throw new RefusedError(`consumer ${name} of stream ${stream}${changes}: ${cause.message}`, { cause });
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
        handedOut: answer.delivered.stream_seq,
        ...(answer.paused === true && { pausedUntil: String(answer.config['pause_until']) }),
      };
    },
  };
};

const foundOf = ({ config, num_waiting, num_ack_pending }: InfoAnswer): Found => ({
  ackWaitMs: Number(config['ack_wait']) / 1_000_000,
  waiting: num_waiting,
  ackPending: num_ack_pending,
});

/** Deliveries are no attempts, so there is no most of them: attempts are counted where outcomes are recorded. */
const configOf = (spec: ConsumerSpec): Config => ({
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
