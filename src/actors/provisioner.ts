/** Brings the server to the topology, whatever was there before. Run by every node at its start, in any order. */
import type { ConsumerSpec, Queue, StreamSpec } from '../bus/queue.ts';
import { subjects } from '../bus/subjects.ts';
import { ConfigurationError, RefusedError } from '../kernel/errors.ts';
import type { Log } from '../kernel/log.ts';
import { schedBytes, type Topology } from '../task/topology.ts';

/** What an account must hold beyond all limits together, so that a commit never finds the disk full. */
const headroom = 1.3;

export const provision = async (queue: Queue, { streams, consumers }: Topology, log: Log): Promise<void> => {
  await refuseTooSmall(queue, streams);
  try {
    for (const spec of streams) await queue.ensureStream(spec);
    await provisionConsumers(queue, consumers, log);
  } catch (cause) {
    if (!(cause instanceof RefusedError)) throw cause;
    throw new ConfigurationError([`the nats-server does not take what a node needs: ${cause.message}`], { cause });
  }
};

const provisionConsumers = async (queue: Queue, consumers: readonly ConsumerSpec[], log: Log): Promise<void> => {
  const longer: string[] = [];
  for (const spec of consumers) {
    const { ackWaitMs } = await queue.ensureConsumer(spec);
    if (ackWaitMs > spec.ackWaitMs) longer.push(`${spec.stream}/${spec.name}: ${ackWaitMs} ms`);
  }
  if (longer.length === 0) return;
  log.warn(
    { consumers: longer },
    'consumers that are in use keep their longer ack wait: the shorter one of this node counts once a node starts while no other runs',
  );
};

/** Says where tasks wait that no node of this app will ever run: in pools that it has not, or has no more. */
export const tellUnserved = async (
  queue: Pick<Queue, 'streamsTaking' | 'streamInfo'>,
  log: Log,
  { streams, region }: Pick<Topology, 'streams'> & { readonly region: string },
): Promise<void> => {
  const served = new Set(streams.map(({ name }) => name));
  for (const stream of await queue.streamsTaking(subjects.workOfRegion(region))) {
    const { messages } = served.has(stream) ? { messages: 0 } : await queue.streamInfo(stream);
    if (messages === 0) continue;
    log.warn(
      { stream, tasks: messages },
      'tasks wait in a pool that this app does not have: they stay there until a node runs an app that has it, or the stream is deleted',
    );
  }
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
