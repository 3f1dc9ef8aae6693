/**
 * Looks after all streams and consumers, at once when the connection is back, and now and then: what is gone is made again as
 * a node that starts would make it. What a server keeps in memory is gone after its restart; a stream on its disk, if that was
 * replaced or somebody has deleted it. Nobody else would say so: publishing and pulling fail as they do in every outage. All
 * nodes may do it at once. The metrics show how much waits for each consumer.
 */
import type { Bus } from '../bus/bus.ts';
import type { ConsumerSpec, Queue, StreamSpec } from '../bus/queue.ts';
import { patientBackoffMs } from '../kernel/backoff.ts';
import { type Clock, pause } from '../kernel/clock.ts';
import { ifFound } from '../kernel/found.ts';
import type { Log } from '../kernel/log.ts';
import type { Metrics } from '../kernel/metrics.ts';
import type { Start } from '../kernel/process.ts';
import type { Random } from '../kernel/random.ts';
import { linked } from '../kernel/signal.ts';
import type { Topology } from '../task/topology.ts';

export interface TopologyWatchOptions {
  readonly bus: Pick<Bus, 'connection' | 'onConnection'>;
  readonly queue: Pick<Queue, 'streamsTaking' | 'ensureStream' | 'consumerInfo' | 'ensureConsumer'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'consumerPending' | 'consumerAckPending'>;
  /** A stream has been made anew: who keeps something in it puts that back. */
  readonly renewed: (stream: string) => void;
}

const everyMs = 15_000;

export const topologyWatch = (options: TopologyWatchOptions, { streams, consumers }: Topology): Start => {
  const { bus, queue, clock, random, log, renewed } = options;
  let failures = 0;

  const renew = async (spec: StreamSpec): Promise<void> => {
    const { name: stream, storage } = spec;
    await queue.ensureStream(spec);
    if (storage === 'memory')
      log.info({ stream }, 'the server has lost what it kept in memory: its stream is made anew');
    else
      log.warn(
        { stream },
        'the stream was gone, with all that was in it, and has been made anew: was a disk replaced?',
      );
    for (const consumer of consumers) if (consumer.stream === stream) await queue.ensureConsumer(consumer);
    renewed(stream);
  };

  /** Only what is gone: a node of another version may know better how one should be that is there. */
  const lookAtStreams = async (): Promise<void> => {
    try {
      const there = new Set(await queue.streamsTaking('>'));
      for (const spec of streams) if (!there.has(spec.name)) await renew(spec);
      failures = 0;
    } catch (error) {
      // Whatever it is, it may be over soon: the server may have no leader yet, or no room.
      if (failures === 0) log.warn({ err: error }, 'what streams there are cannot be seen to yet; it is tried again');
      failures += 1;
    }
  };

  const look = async (signal: AbortSignal): Promise<void> => {
    await lookAtStreams();
    for (const spec of consumers)
      if (!signal.aborted && bus.connection === 'connected') await lookAtConsumer(options, spec);
  };

  const watch = async (signal: AbortSignal): Promise<void> => {
    let nap: AbortController | undefined;
    let due = false;
    const subscription = bus.onConnection((connection) => {
      due = connection === 'connected';
      if (due) nap?.abort();
    });
    while (!signal.aborted) {
      due = false;
      if (bus.connection === 'connected') await look(signal);
      if (due) continue;
      nap = linked(signal);
      await pause(clock, failures === 0 ? everyMs : patientBackoffMs(failures, random), nap.signal);
      nap.abort();
    }
    subscription.unsubscribe();
  };

  return (signal) => Promise.resolve({ exit: watch(signal) });
};

const lookAtConsumer = async ({ queue, log, metrics }: TopologyWatchOptions, spec: ConsumerSpec): Promise<void> => {
  const { stream, name: consumer } = spec;
  try {
    const info = await ifFound(queue.consumerInfo(stream, consumer));
    if (info) {
      metrics.consumerPending.labels(stream, consumer).set(info.pending);
      metrics.consumerAckPending.labels(stream, consumer).set(info.ackPending);
      return;
    }
    await queue.ensureConsumer(spec);
    log.warn({ stream, consumer }, 'the consumer was gone and is made again: what was in hand is handed out again');
  } catch (error) {
    // Whatever it is, there is another look; and one for its stream, if that is gone too.
    log.debug({ err: error, stream, consumer }, 'nobody says whether the consumer is there');
  }
};
