/** Brings the server to the topology, whatever was there before. Run by every node at its start, in any order. */
import type { Queue, StreamSpec } from '../bus/queue.ts';
import { ConfigurationError } from '../kernel/errors.ts';
import { schedBytes, type Topology } from '../task/topology.ts';

/** What an account must hold beyond all limits together, so that a commit never finds the disk full. */
const headroom = 1.3;

export const provision = async (queue: Queue, { streams, consumers }: Topology): Promise<void> => {
  await refuseTooSmall(queue, streams);
  for (const spec of streams) await queue.ensureStream(spec);
  for (const spec of consumers) await queue.ensureConsumer(spec);
};

const refuseTooSmall = async (queue: Queue, streams: readonly StreamSpec[]): Promise<void> => {
  const limit = await queue.storageLimit();
  if (limit === undefined) return;
  const needed = headroom * streams.reduce((sum, spec) => sum + bytesOf(spec), 0);
  if (needed <= limit) return;
  throw new ConfigurationError([
    `the NATS account may store ${inMb(limit)} in files; the streams' limits need ${inMb(needed)} with 30 % to spare: raise max_file, or lower TROUPE_QUEUE_BYTES`,
  ]);
};

const bytesOf = ({ storage = 'file', maxBytes, schedules, replicas = 1 }: StreamSpec): number =>
  storage === 'memory' ? 0 : (schedules ? schedBytes : (maxBytes ?? 0)) * replicas;

const inMb = (bytes: number): string => `${Math.ceil(bytes / 1024 / 1024).toLocaleString('en')} MB`;
