/** The ephemeral consumer of a tail. */
import type { TailOptions } from '../queue.ts';
import type { Config } from './config.ts';

/** Often enough to notice soon that it is gone. */
export const heartbeatMs = 2_000;
/** How long the server keeps a consumer whose reader is gone. */
const inactiveMs = 30_000;

/** `lastSeq`: the last message that has come already. */
export const configOf = (wish: TailOptions, subject: string, lastSeq: number | undefined): Config => ({
  deliver_subject: subject,
  ...(typeof wish.filter === 'string' ? { filter_subject: wish.filter } : { filter_subjects: wish.filter }),
  ...(lastSeq === undefined ? position(wish.from) : position({ seq: lastSeq + 1 })),
  ...(wish.headersOnly && { headers_only: true }),
  ack_policy: 'none',
  max_deliver: 1,
  flow_control: true,
  idle_heartbeat: heartbeatMs * 1e6,
  inactive_threshold: inactiveMs * 1e6,
  mem_storage: true,
  num_replicas: 1,
});

const position = (from: TailOptions['from']): Config => {
  if (typeof from === 'object') return { deliver_policy: 'by_start_sequence', opt_start_seq: Math.max(1, from.seq) };
  return { deliver_policy: from === 'last' ? 'last_per_subject' : from };
};
